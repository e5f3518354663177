// Convolution and pooling layers for images [n, height, width, channels].
#pragma once

#include <cstdint>

#include "lockstep/nn/activation.h"
#include "lockstep/ops/conv.h"

namespace lockstep::nn {

struct Conv2dOptions {
  Extent kernel = 3;
  Extent stride = 1;
  Padding padding = 0;  // zeros
  Extent dilation = 1;
  int groups = 1;  // in: depthwise
  bool bias = true;
  DType dtype = DType::f32;
  Device device = {};
};

// Parameters: weight [out, kernel height, kernel width, in / groups], bias [out], both uniform in
// +-1 / sqrt(fan in), as in PyTorch. UsageError unless the channels and the kernel are positive and
// the groups divide the channels.
class Conv2d : public FusingLayer {
 public:
  using Options = Conv2dOptions;
  Conv2d(std::int64_t in, std::int64_t out, const Options& options = {});

  const Tensor& weight() const { return weight_; }
  const Tensor& bias() const { return bias_; }  // undefined without one
  bool fuses(Activation) const override { return true; }
  Tensor forward_fused(const Tensor& x, Activation activation) override;
  void visit(Visitor& visitor) override;
  LayerSpec layer() const override;

 private:
  Extent stride_;
  Padding padding_;
  Extent dilation_;
  int groups_;
  Tensor weight_;
  Tensor bias_;
};

struct ConvTranspose2dOptions {
  Extent kernel = 3;
  Extent stride = 1;
  Padding padding = 0;  // taken off the result
  bool bias = true;
  DType dtype = DType::f32;
  Device device = {};
};

// Each pixel spread over a kernel's area. Parameters: weight [in, kernel height, kernel width,
// out], bias [out], both uniform in +-1 / sqrt(out kernel height kernel width), as in PyTorch.
// UsageError unless the channels and the kernel are positive.
class ConvTranspose2d : public FusingLayer {
 public:
  using Options = ConvTranspose2dOptions;
  ConvTranspose2d(std::int64_t in, std::int64_t out, const Options& options = {});

  bool fuses(Activation) const override { return true; }
  Tensor forward_fused(const Tensor& x, Activation activation) override;
  void visit(Visitor& visitor) override;
  LayerSpec layer() const override;

 private:
  Extent stride_;
  Padding padding_;
  Tensor weight_;
  Tensor bias_;
};

class MaxPool2d : public Module {
 public:
  explicit MaxPool2d(const PoolOptions& options = {}) : options_(options) {}
  Tensor forward(const Tensor& x) override { return max_pool2d(x, options_); }
  LayerSpec layer() const override;

 private:
  PoolOptions options_;
};

class AvgPool2d : public Module {
 public:
  explicit AvgPool2d(const PoolOptions& options = {}) : options_(options) {}
  Tensor forward(const Tensor& x) override { return avg_pool2d(x, options_); }
  LayerSpec layer() const override;

 private:
  PoolOptions options_;
};

}  // namespace lockstep::nn
