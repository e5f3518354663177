// Layers for images [n, height, width, channels] that learn nothing: margins, sizes, global pools.
#pragma once

#include <cstdint>

#include "lockstep/nn/module.h"
#include "lockstep/ops/conv.h"

namespace lockstep::nn {

// A margin of one value around each image.
class Pad2d : public Module {
 public:
  explicit Pad2d(const Pad2dOptions& options) : options_(options) {}
  Tensor forward(const Tensor& x) override { return pad2d(x, options_); }
  LayerSpec layer() const override;

 private:
  Pad2dOptions options_;
};

// Takes rows and columns off the top and left (`before`) and off the bottom and right (`after`).
class Crop2d : public Module {
 public:
  Crop2d(Extent before, Extent after) : before_(before), after_(after) {}
  Tensor forward(const Tensor& x) override;
  LayerSpec layer() const override;

 private:
  Extent before_;
  Extent after_;
};

// Repeats each pixel `factor` times along height and width.
class Upsample2d : public Module {
 public:
  explicit Upsample2d(Extent factor) : factor_(factor) {}
  Tensor forward(const Tensor& x) override;
  LayerSpec layer() const override;

 private:
  Extent factor_;
};

// The mean or the maximum of each channel: [n, channels], or [n, 1, 1, channels] where the axes are
// kept.
class GlobalAvgPool2d : public Module {
 public:
  explicit GlobalAvgPool2d(bool keep_dims = false) : keep_dims_(keep_dims) {}
  Tensor forward(const Tensor& x) override;
  LayerSpec layer() const override { return {"global_avg_pool2d", {{"keep_dims", keep_dims_}}}; }

 private:
  bool keep_dims_;
};

class GlobalMaxPool2d : public Module {
 public:
  explicit GlobalMaxPool2d(bool keep_dims = false) : keep_dims_(keep_dims) {}
  Tensor forward(const Tensor& x) override;
  LayerSpec layer() const override { return {"global_max_pool2d", {{"keep_dims", keep_dims_}}}; }

 private:
  bool keep_dims_;
};

}  // namespace lockstep::nn
