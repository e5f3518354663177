#include "lockstep/nn/activation.h"

#include "lockstep/ops/rows.h"
#include "src/ops/epilogue.h"

namespace lockstep::nn {

Tensor ActivationLayer::forward(const Tensor& x) { return detail::activate(kind_, x); }

LayerSpec ActivationLayer::layer() const {
  constexpr const char* kinds[] = {"", "relu", "gelu", "tanh", "sigmoid"};
  return {kinds[static_cast<std::size_t>(kind_)]};
}

Tensor Softmax::forward(const Tensor& x) { return softmax(x, axis_); }

}  // namespace lockstep::nn
