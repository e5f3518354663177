// New tensors: empty, filled, from values.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "lockstep/tensor/tensor.h"

namespace lockstep {

struct TensorOptions {
  DType dtype = DType::f32;
  Device device;
};

// Elements are unspecified. ShapeError for a negative size.
Tensor empty(const Shape& shape, const TensorOptions& options = {});
Tensor empty(const Meta& meta);
Tensor zeros(const Shape& shape, const TensorOptions& options = {});
Tensor ones(const Shape& shape, const TensorOptions& options = {});
Tensor full(const Shape& shape, double value, const TensorOptions& options = {});
// begin, begin + step, ... below end.
Tensor arange(double begin, double end, double step = 1, const TensorOptions& options = {});
// Values in row-major order, converted to the dtype; ShapeError when their number is not the
// shape's.
Tensor tensor(std::span<const double> values, const Shape& shape,
              const TensorOptions& options = {});
Tensor tensor(std::initializer_list<double> values, const TensorOptions& options = {});
Tensor tensor(std::initializer_list<double> values, const Shape& shape,
              const TensorOptions& options = {});
Tensor scalar(double value, const TensorOptions& options = {});

}  // namespace lockstep
