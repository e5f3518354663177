// Other shapes, orders, dtypes and places of the same values, all differentiable.
#pragma once

#include <initializer_list>
#include <span>

#include "lockstep/tensor/tensor.h"

namespace lockstep {

// The same elements in row-major order with other sizes; one size may be -1. Copies only where `x`
// is not contiguous.
Tensor reshape(const Tensor& x, const Shape& shape);
// Axes first..last merged into one.
Tensor flatten(const Tensor& x, int first = 0, int last = -1);
// Axis i of the result is axis axes[i] of `x`. A view.
Tensor permute(const Tensor& x, const Shape& axes);
// Two axes exchanged; the last two by default. A view.
Tensor transpose(const Tensor& x, int a = -2, int b = -1);
// Elements [begin, end) of an axis, every step-th (step >= 1); negative bounds count from the end.
// A view.
Tensor slice(const Tensor& x, int axis, std::int64_t begin, std::int64_t end,
             std::int64_t step = 1);
// Axes of size 1, and new axes in front, repeated without a copy.
Tensor expand(const Tensor& x, const Shape& shape);
// Removes an axis of size 1.
Tensor squeeze(const Tensor& x, int axis);
// Inserts an axis of size 1 before `axis` of the result.
Tensor unsqueeze(const Tensor& x, int axis);

// Joined along an axis; the other sizes, dtypes and devices must be equal. UsageError for no
// tensors.
Tensor cat(std::span<const Tensor> tensors, int axis = 0);
Tensor cat(std::initializer_list<Tensor> tensors, int axis = 0);

// `x` itself where it is contiguous, else a contiguous copy.
Tensor contiguous(const Tensor& x);
// A contiguous copy.
Tensor clone(const Tensor& x);
// Converted elements; `x` itself where it has the dtype. Differentiable between floating-point
// dtypes; a cast to or from an integer dtype ends the tape.
Tensor cast(const Tensor& x, DType dtype);
// A copy on another device; `x` itself where it is there.
Tensor to(const Tensor& x, Device device);

// In place, without a tape: UsageError where recording is on and an argument needs a gradient.
const Tensor& fill_(const Tensor& x, double value);
// Values of `from`, broadcast to x's shape; dtypes and devices must be equal.
const Tensor& copy_(const Tensor& x, const Tensor& from);

}  // namespace lockstep
