// Views without a tape, and copies of elements: what ops, optimizers and files build on.
#pragma once

#include "lockstep/tensor/tensor.h"

namespace lockstep {

// Same elements, other sizes; shares memory, so `x` must be contiguous. One size may be -1.
// ShapeError otherwise.
Tensor reshaped_view(const Tensor& x, const Shape& shape);
Tensor permuted_view(const Tensor& x, const Shape& axes);
// Elements [begin, end) of an axis, every step-th; begin and end count from the end when negative.
Tensor sliced_view(const Tensor& x, int axis, std::int64_t begin, std::int64_t end,
                   std::int64_t step = 1);
// Axes of size 1 (or missing in front) repeated without copying.
Tensor expanded_view(const Tensor& x, const Shape& shape);

// Writes from's elements, converted and broadcast, into `to`.
void copy_elements(const Tensor& from, const Tensor& to);
void fill_elements(const Tensor& to, double value);
// A contiguous copy without a tape.
Tensor copied(const Tensor& x);
Tensor copied(const Tensor& x, DType dtype);
Tensor copied_to(const Tensor& x, Device device);

}  // namespace lockstep
