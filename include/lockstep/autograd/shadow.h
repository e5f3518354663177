// Shadows of parameters in half precision: what layers compute with, while updates go to the f32
// parameter itself.
#pragma once

#include <cstddef>

#include "lockstep/tensor/tensor.h"

namespace lockstep {

// From now on the parameter has a shadow of dtype f16 or bf16; with f32: none. DTypeError for
// another dtype, and for a parameter that is not f32.
void keep_shadow(const Tensor& parameter, DType dtype);

// The shadow, as the parameter is now; the parameter itself where it has none. Gradients of it are
// those of the parameter, in f32: linear, conv2d and whatever else declares
// `writes_f32_gradients` (lockstep/ops/apply.h) give them unrounded.
Tensor working_copy(const Tensor& parameter);

// For who updates parameters: lets the shadow lie in another block, as it will be written there;
// and tells that it was written along with its parameter.
void move_shadow(const Tensor& parameter, const core::Memory& memory, std::size_t offset);
void declare_shadow_current(const Tensor& parameter);

}  // namespace lockstep
