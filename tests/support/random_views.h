// Random shapes and layouts for property tests of kernels.
#pragma once

#include <algorithm>
#include <numeric>

#include "tests/support/arrays.h"

namespace lockstep::testing {

inline int random_int(std::mt19937& generator, int low, int high) {
  return std::uniform_int_distribution<int>(low, high)(generator);
}

// Rank 0 to `most_axes`; mostly short axes, sometimes a long last one, sometimes an empty one.
inline Shape random_shape(std::mt19937& generator, int least_axes = 0, int most_axes = 4) {
  Shape shape;
  const int rank = random_int(generator, least_axes, most_axes);
  for (int axis = 0; axis < rank; ++axis) shape.append(random_int(generator, 1, 6));
  if (rank > 0 && random_int(generator, 0, 2) == 0)
    shape[rank - 1] = random_int(generator, 1, 1500);
  if (rank > 0 && random_int(generator, 0, 30) == 0) shape[random_int(generator, 0, rank - 1)] = 0;
  return shape;
}

// Row-major half of the time; else axes in any order, perhaps with gaps, perhaps off its alignment.
inline Layout random_layout(std::mt19937& generator, int rank) {
  Layout layout;
  if (random_int(generator, 0, 1) == 0) return layout;
  layout.order.resize(static_cast<std::size_t>(rank));
  std::iota(layout.order.begin(), layout.order.end(), 0);
  if (random_int(generator, 0, 1) == 0)
    std::shuffle(layout.order.begin(), layout.order.end(), generator);
  layout.gap = random_int(generator, 0, 3) == 0 ? 2 : 1;
  layout.offset = random_int(generator, 0, 17);
  return layout;
}

// An array and a view of it that has `sizes`, perhaps by broadcasting.
struct Operand {
  Array array;
  View view;
};

inline Operand random_operand(std::mt19937& generator, DType dtype, const Shape& sizes,
                              double low = -2, double high = 2) {
  Shape own = sizes;
  if (random_int(generator, 0, 2) == 0) {
    for (int axis = 0; axis < own.rank(); ++axis) {
      if (random_int(generator, 0, 1) == 0) own[axis] = std::min<std::int64_t>(own[axis], 1);
    }
  }
  Operand operand{Array(dtype, own, random_layout(generator, own.rank())), {}};
  operand.array.fill_random(generator, low, high);
  operand.view = operand.array.view();
  for (int axis = 0; axis < own.rank(); ++axis) {
    if (own[axis] != sizes[axis]) operand.view.strides[axis] = 0;
  }
  operand.view.sizes = sizes;
  return operand;
}

// What rounding to the type may cost, relative to 1 + |value|.
inline double tolerance_of(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return 1e-13;
    case DType::f32:
      return 3e-6;
    case DType::f16:
      return 2e-3;
    case DType::bf16:
      return 1.6e-2;
    default:
      return 0;
  }
}

inline bool is_near(double value, double expected, double tolerance) {
  if (expected != expected) return value != value;
  if (value == expected) return true;
  return std::abs(value - expected) <= tolerance * (1 + std::abs(expected));
}

}  // namespace lockstep::testing
