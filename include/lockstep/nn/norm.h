// Normalisation layers.
#pragma once

#include <cstdint>

#include "lockstep/nn/activation.h"

namespace lockstep::nn {

struct BatchNormOptions {
  double momentum = 0.1;  // running += momentum * (batch - running)
  double epsilon = 1e-5;
  DType dtype = DType::f32;
  Device device = {};
};

// Over the last axis of rows [n, channels] or images [n, h, w, channels]: by the batch's moments
// while training, by the running ones otherwise. Parameters: weight (1), bias (0); buffers:
// running_mean (0), running_variance (1); all [channels]. Ioffe, Szegedy: "Batch normalization",
// 2015. UsageError unless channels is positive.
class BatchNorm : public FusingLayer {
 public:
  using Options = BatchNormOptions;
  explicit BatchNorm(std::int64_t channels, const Options& options = {});

  bool fuses(Activation activation) const override { return activation == Activation::relu; }
  Tensor forward_fused(const Tensor& x, Activation activation) override;
  void visit(Visitor& visitor) override;
  LayerSpec layer() const override;

 private:
  double momentum_;
  double epsilon_;
  Tensor weight_;
  Tensor bias_;
  Tensor running_mean_;
  Tensor running_variance_;
};

struct LayerNormOptions {
  double epsilon = 1e-5;
  DType dtype = DType::f32;
  Device device = {};
};

// Over the last axis [..., channels], of each row by itself. Parameters: weight (1), bias (0), both
// [channels]. Ba, Kiros, Hinton: "Layer normalization", 2016. UsageError unless channels is
// positive.
class LayerNorm : public Module {
 public:
  using Options = LayerNormOptions;
  explicit LayerNorm(std::int64_t channels, const Options& options = {});

  Tensor forward(const Tensor& x) override;
  void visit(Visitor& visitor) override;
  LayerSpec layer() const override;

 private:
  double epsilon_;
  Tensor weight_;
  Tensor bias_;
};

struct StandardizeOptions {
  double epsilon = 1e-7;  // the least deviation
  DType dtype = DType::f32;
  Device device = {};
};

// (x - mean) / max(sqrt(variance), epsilon) over the last axis, by what is known of the data
// beforehand. Buffers: mean (0), variance (1), both [channels]. UsageError unless channels is
// positive.
class Standardize : public Module {
 public:
  using Options = StandardizeOptions;
  explicit Standardize(std::int64_t channels, const Options& options = {});

  Tensor forward(const Tensor& x) override;
  void visit(Visitor& visitor) override;
  LayerSpec layer() const override;

 private:
  double epsilon_;
  Tensor mean_;
  Tensor variance_;
};

// scale x + offset: pixels brought into the range that a model was trained with.
class Rescale : public Module {
 public:
  explicit Rescale(double scale, double offset = 0) : scale_(scale), offset_(offset) {}
  Tensor forward(const Tensor& x) override;
  LayerSpec layer() const override { return {"rescale", {{"scale", scale_}, {"offset", offset_}}}; }

 private:
  double scale_;
  double offset_;
};

}  // namespace lockstep::nn
