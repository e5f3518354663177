#include "lockstep/nn/norm.h"

#include "lockstep/autograd/parameter.h"
#include "lockstep/ops/norm.h"
#include "lockstep/ops/pointwise.h"
#include "lockstep/tensor/create.h"
#include "src/nn/attributes.h"
#include "src/nn/check_sizes.h"
#include "src/nn/working_input.h"

namespace lockstep::nn {

BatchNorm::BatchNorm(std::int64_t channels, const Options& options)
    : momentum_(options.momentum), epsilon_(options.epsilon) {
  check_sizes("BatchNorm", {{"channels", channels}});
  const TensorOptions kind = {options.dtype, options.device};
  weight_ = ones({channels}, kind);
  bias_ = zeros({channels}, kind);
  require_grad(weight_);
  require_grad(bias_);
  running_mean_ = zeros({channels}, kind);
  running_variance_ = ones({channels}, kind);
}

Tensor BatchNorm::forward_fused(const Tensor& x, Activation activation) {
  return batch_norm(x, weight_, bias_, running_mean_, running_variance_,
                    {.training = is_training(),
                     .relu = activation == Activation::relu,
                     .momentum = momentum_,
                     .epsilon = epsilon_});
}

void BatchNorm::visit(Visitor& visitor) {
  visitor.parameter("weight", weight_);
  visitor.parameter("bias", bias_);
  visitor.buffer("running_mean", running_mean_);
  visitor.buffer("running_variance", running_variance_);
}

LayerSpec BatchNorm::layer() const {
  return {"batch_norm", of_dtype(weight_, {{"channels", weight_.size(0)},
                                           {"momentum", momentum_},
                                           {"epsilon", epsilon_}})};
}

LayerNorm::LayerNorm(std::int64_t channels, const Options& options) : epsilon_(options.epsilon) {
  check_sizes("LayerNorm", {{"channels", channels}});
  const TensorOptions kind = {options.dtype, options.device};
  weight_ = ones({channels}, kind);
  bias_ = zeros({channels}, kind);
  require_grad(weight_);
  require_grad(bias_);
}

Tensor LayerNorm::forward(const Tensor& x) {
  return computed_in_f32(x, weight_, [&](const Tensor& input) {
    return layer_norm(input, weight_, bias_, {.epsilon = epsilon_});
  });
}

void LayerNorm::visit(Visitor& visitor) {
  visitor.parameter("weight", weight_);
  visitor.parameter("bias", bias_);
}

LayerSpec LayerNorm::layer() const {
  return {"layer_norm", of_dtype(weight_, {{"channels", weight_.size(0)}, {"epsilon", epsilon_}})};
}

Standardize::Standardize(std::int64_t channels, const Options& options)
    : epsilon_(options.epsilon) {
  check_sizes("Standardize", {{"channels", channels}});
  const TensorOptions kind = {options.dtype, options.device};
  mean_ = zeros({channels}, kind);
  variance_ = ones({channels}, kind);
}

Tensor Standardize::forward(const Tensor& x) {
  const Tensor deviation = relu(sqrt(variance_) - epsilon_) + epsilon_;  // the larger of the two
  return (x - mean_) / deviation;
}

void Standardize::visit(Visitor& visitor) {
  visitor.buffer("mean", mean_);
  visitor.buffer("variance", variance_);
}

LayerSpec Standardize::layer() const {
  return {"standardize", of_dtype(mean_, {{"channels", mean_.size(0)}, {"epsilon", epsilon_}})};
}

Tensor Rescale::forward(const Tensor& x) { return x * scale_ + offset_; }

}  // namespace lockstep::nn
