#include "lockstep/nn/activation.h"

#include "lockstep/ops/pointwise.h"
#include "lockstep/ops/rows.h"

namespace lockstep::nn {

Tensor ActivationLayer::forward(const Tensor& x) {
  switch (kind_) {
    case Activation::relu:
      return relu(x);
    case Activation::gelu:
      return gelu(x);
    case Activation::tanh:
      return tanh(x);
    case Activation::sigmoid:
      return sigmoid(x);
    case Activation::none:
      break;
  }
  return x;
}

LayerSpec ActivationLayer::layer() const {
  constexpr const char* kinds[] = {"", "relu", "gelu", "tanh", "sigmoid"};
  return {kinds[static_cast<std::size_t>(kind_)]};
}

Tensor Softmax::forward(const Tensor& x) { return softmax(x, axis_); }

}  // namespace lockstep::nn
