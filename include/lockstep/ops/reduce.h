// Sums, means and maxima over axes.
#pragma once

#include <initializer_list>

#include "lockstep/tensor/tensor.h"

namespace lockstep {

// The axes that a reduction removes: one, several, or (by default) all. Negative axes count from
// the last.
class Axes {
 public:
  Axes() = default;
  Axes(int axis) : Axes({axis}) {}  // NOLINT: sum(x, 1)
  // ShapeError for more axes than a tensor can have.
  Axes(std::initializer_list<int> axes);

  // Bit i is set where axis i of a tensor of this rank is reduced. ShapeError for axes out of range
  // or named twice.
  unsigned mask(const char* op, int rank) const;

 private:
  int count_ = -1;  // -1: all
  int axes_[max_rank] = {};
};

struct ReduceOptions {
  bool keep_dims = false;  // keep the reduced axes with size 1
};

// Integers are summed in i64. The sum of nothing is 0.
Tensor sum(const Tensor& x, const Axes& axes = {}, const ReduceOptions& options = {});
// Floating point only. The mean of nothing is NaN.
Tensor mean(const Tensor& x, const Axes& axes = {}, const ReduceOptions& options = {});
// The gradient goes to the first maximum. NaN wins. ShapeError for a maximum of nothing.
Tensor max(const Tensor& x, const Axes& axes = {}, const ReduceOptions& options = {});
// Position of the first maximum along an axis, i64; without a tape.
Tensor argmax(const Tensor& x, int axis, const ReduceOptions& options = {});
// Position of the first maximum in row-major order, an i64 scalar.
Tensor argmax(const Tensor& x);

}  // namespace lockstep
