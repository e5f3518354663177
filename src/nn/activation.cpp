#include "lockstep/nn/activation.h"

#include "src/ops/epilogue.h"

namespace lockstep::nn {

Tensor ActivationLayer::forward(const Tensor& x) { return detail::activate(kind_, x); }

}  // namespace lockstep::nn
