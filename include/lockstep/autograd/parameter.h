// Leaves of the tape: tensors that gradients are wanted for, and the place where each gradient
// goes.
#pragma once

#include "lockstep/tensor/tensor.h"

namespace lockstep {

// Makes `x` a leaf (or, with false, takes it off the tape: a frozen parameter). DTypeError unless
// floating point.
Tensor& require_grad(Tensor& x, bool wanted = true);
const Tensor& require_grad(const Tensor& x, bool wanted = true);
bool is_leaf(const Tensor& x);

// The gradient of a leaf, undefined before the first backward.
Tensor gradient(const Tensor& leaf);
// Gives the gradient a place, e.g. in an arena: backward writes straight into it.
void place_gradient(const Tensor& leaf, Tensor place);
// True from the first contribution of a backward until consume_gradient.
bool has_gradient(const Tensor& leaf);
// The next contribution overwrites instead of adding: what an optimizer says after a step.
void consume_gradient(const Tensor& leaf);

// Identifies a leaf's elements for packed copies; 0 for other tensors.
std::uint64_t packing_key(const Tensor& x);

}  // namespace lockstep
