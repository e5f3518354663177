// The activations that GEMM and convolution apply to their result, as structs of pointwise.h.
#pragma once

#include "kernels/math/pointwise.h"

namespace lockstep::kernels::math {

// Calls f with the activation's struct; not for Activation::none.
template <class F> void with_activation(Activation activation, const F& f) {
  switch (activation) {
    case Activation::none:
      break;
    case Activation::relu:
      return f(Relu{});
    case Activation::gelu:
      return f(Gelu{});
    case Activation::tanh:
      return f(Tanh{});
    case Activation::sigmoid:
      return f(Sigmoid{});
  }
}

}  // namespace lockstep::kernels::math
