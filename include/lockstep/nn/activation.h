// Activations as modules, and what lets Sequential run them within the pass of the layer before.
#pragma once

#include <cstdint>

#include "lockstep/nn/module.h"
#include "lockstep/ops/linalg.h"

namespace lockstep::nn {

class ActivationLayer : public Module {
 public:
  Activation kind() const { return kind_; }
  Tensor forward(const Tensor& x) final;
  LayerSpec layer() const final;

 protected:
  explicit ActivationLayer(Activation kind) : kind_(kind) {}

 private:
  Activation kind_;
};

class Relu final : public ActivationLayer {
 public:
  Relu() : ActivationLayer(Activation::relu) {}
};
// The tanh form.
class Gelu final : public ActivationLayer {
 public:
  Gelu() : ActivationLayer(Activation::gelu) {}
};
class Tanh final : public ActivationLayer {
 public:
  Tanh() : ActivationLayer(Activation::tanh) {}
};
class Sigmoid final : public ActivationLayer {
 public:
  Sigmoid() : ActivationLayer(Activation::sigmoid) {}
};

// The following do not fuse.
class Silu final : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  LayerSpec layer() const override { return {"silu"}; }
};
// By the normal distribution.
class ExactGelu final : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  LayerSpec layer() const override { return {"exact_gelu"}; }
};
class LeakyRelu final : public Module {
 public:
  explicit LeakyRelu(double slope = 0.01) : slope_(slope) {}
  Tensor forward(const Tensor& x) override;
  LayerSpec layer() const override { return {"leaky_relu", {{"slope", slope_}}}; }

 private:
  double slope_;
};
class Elu final : public Module {
 public:
  explicit Elu(double alpha = 1) : alpha_(alpha) {}
  Tensor forward(const Tensor& x) override;
  LayerSpec layer() const override { return {"elu", {{"alpha", alpha_}}}; }

 private:
  double alpha_;
};
class Clamp final : public Module {
 public:
  Clamp(double low, double high) : low_(low), high_(high) {}
  Tensor forward(const Tensor& x) override;
  LayerSpec layer() const override { return {"clamp", {{"low", low_}, {"high", high_}}}; }

 private:
  double low_;
  double high_;
};

// Along an axis.
class Softmax final : public Module {
 public:
  explicit Softmax(int axis = -1) : axis_(axis) {}
  Tensor forward(const Tensor& x) override;
  LayerSpec layer() const override { return {"softmax", {{"axis", std::int64_t{axis_}}}}; }

 private:
  int axis_;
};

// A layer that can apply an activation to its result before it leaves the cache.
class FusingLayer : public Module {
 public:
  virtual bool fuses(Activation activation) const = 0;
  // activation(forward(x)).
  virtual Tensor forward_fused(const Tensor& x, Activation activation) = 0;
  Tensor forward(const Tensor& x) final { return forward_fused(x, Activation::none); }
};

}  // namespace lockstep::nn
