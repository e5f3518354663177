#include "lockstep/nn/activation.h"

#include "lockstep/ops/pointwise.h"
#include "lockstep/ops/rows.h"
#include "src/ops/epilogue.h"

namespace lockstep::nn {

Tensor ActivationLayer::forward(const Tensor& x) { return detail::activate(kind_, x); }

LayerSpec ActivationLayer::layer() const {
  constexpr const char* kinds[] = {"", "relu", "gelu", "tanh", "sigmoid"};
  return {kinds[static_cast<std::size_t>(kind_)]};
}

Tensor Silu::forward(const Tensor& x) { return silu(x); }
Tensor ExactGelu::forward(const Tensor& x) { return exact_gelu(x); }
Tensor LeakyRelu::forward(const Tensor& x) { return leaky_relu(x, slope_); }
Tensor Elu::forward(const Tensor& x) { return elu(x, alpha_); }
Tensor Clamp::forward(const Tensor& x) { return clamp(x, low_, high_); }

Tensor Softmax::forward(const Tensor& x) { return softmax(x, axis_); }

}  // namespace lockstep::nn
