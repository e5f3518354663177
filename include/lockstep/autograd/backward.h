// Reverse-mode differentiation of recorded operations.
#pragma once

#include "lockstep/tensor/tensor.h"

namespace lockstep {

// Adds d(root)/d(leaf), times `seed`, to the gradient of every leaf that `root` depends on; a
// leaf's first gradient since it was consumed overwrites. The seed is 1 for a scalar root;
// ShapeError for other roots without a seed. The graph is released: a second backward is a
// UsageError. First-order only.
void backward(const Tensor& root);
void backward(const Tensor& root, const Tensor& seed);

}  // namespace lockstep
