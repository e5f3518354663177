#include "lockstep/nn/activation.h"

#include "lockstep/ops/pointwise.h"

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

}  // namespace lockstep::nn
