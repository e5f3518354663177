// Activations that a matrix product or convolution applies on its way out.
#pragma once

#include "lockstep/ops/apply.h"

namespace lockstep::detail {

// False for those whose slope needs the value before the activation, which the fused kernel does
// not keep.
bool has_slope_by_result(kernels::Activation activation);
// g * slope(y), in new memory; `g` itself without an activation.
Tensor before_activation(kernels::Backend& on, core::Stream& s, kernels::Activation activation,
                         const View& y, const Tensor& g);
// What to fuse: nothing where a tape would need more than the result, and then activate() finishes.
kernels::Activation fused(kernels::Activation activation, const Tensor& x, const Tensor& weight,
                          const Tensor& bias);
Tensor activate(kernels::Activation activation, const Tensor& x);

}  // namespace lockstep::detail
