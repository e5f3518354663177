// Arrays with sizes and strides for kernel tests: random content, any layout, read back in double
// precision.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "lockstep/core/view.h"

namespace lockstep::testing {

// How far a result near `want` may lie from it when it is the sum of `depth` products of numbers
// below 1: a rounding for each of them, in f32 where the dtype is a half; for halves also those of
// the result (before and after something is added or an activation applied) and of factors that
// were rounded to it, whose errors have random signs.
inline double tolerance(DType dtype, std::int64_t depth, double want) {
  const auto terms = static_cast<double>(depth + 8);
  if (dtype == DType::f64) return std::numeric_limits<double>::epsilon() * terms;
  const double wide = double{std::numeric_limits<float>::epsilon()} * terms;
  if (dtype == DType::f32) return wide;
  const double half = dtype == DType::bf16 ? 0x1p-9 : 0x1p-12;
  return wide + half * (3 * std::abs(want) + 2 * std::sqrt(terms));
}

// Memory for a view of `sizes`, whose axes lie in memory in `order` (outermost first; empty:
// row-major), every `gap`-th element used, starting `offset` elements behind a 64-byte boundary.
struct Layout {
  std::vector<int> order = {};
  std::int64_t gap = 1;
  std::int64_t offset = 0;
};

class Array {
 public:
  Array() = default;
  Array(DType dtype, const Shape& sizes, const Layout& layout = {});

  // A view of it; a null view where the array was never made.
  View view() const { return view_; }
  View transposed(int a, int b) const;

  DType dtype() const { return view_.dtype; }
  std::int64_t count() const { return view_.elements(); }
  // Element i in row-major order.
  double at(std::int64_t i) const;
  void set(std::int64_t i, double value);
  std::vector<double> values() const;
  std::vector<std::uint8_t> bytes() const;
  void fill(double value);
  // Uniform in [low, high), rounded to the type.
  void fill_random(std::mt19937& generator, double low = -2, double high = 2);

  // Offset of row-major element i in elements.
  static std::int64_t offset_of(const View& view, std::int64_t i);
  static double read(const View& view, std::int64_t i);

 private:
  std::vector<std::uint8_t> memory_;
  View view_;
};

inline Array::Array(DType dtype, const Shape& sizes, const Layout& layout) {
  view_.dtype = dtype;
  view_.sizes = sizes;
  view_.strides = sizes;
  std::int64_t step = layout.gap;
  for (int k = sizes.rank() - 1; k >= 0; --k) {
    const int axis = layout.order.empty() ? k : layout.order[static_cast<std::size_t>(k)];
    view_.strides[axis] = step;
    step *= sizes[axis];
  }
  const std::size_t width = size_of(dtype);
  memory_.resize(
      (static_cast<std::size_t>(step) + static_cast<std::size_t>(layout.offset)) * width + 64);
  const auto address = reinterpret_cast<std::uintptr_t>(memory_.data());
  view_.data =
      memory_.data() + (64 - address % 64) % 64 + static_cast<std::size_t>(layout.offset) * width;
}

inline std::int64_t Array::offset_of(const View& view, std::int64_t i) {
  std::int64_t offset = 0;
  for (int axis = view.rank() - 1; axis >= 0; --axis) {
    offset += i % view.sizes[axis] * view.strides[axis];
    i /= view.sizes[axis];
  }
  return offset;
}

inline double Array::read(const View& view, std::int64_t i) {
  return with_type(view.dtype, [&]<class T>(T) {
    const T value = view.as<T>()[offset_of(view, i)];
    if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>) {
      return static_cast<double>(static_cast<float>(value));
    } else {
      return static_cast<double>(value);
    }
  });
}

inline double Array::at(std::int64_t i) const { return read(view_, i); }

inline void Array::set(std::int64_t i, double value) {
  with_type(view_.dtype, [&]<class T>(T) {
    T& place = view_.as<T>()[offset_of(view_, i)];
    if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>) {
      place = T(static_cast<float>(value));
    } else {
      place = static_cast<T>(value);
    }
  });
}

inline std::vector<double> Array::values() const {
  std::vector<double> all;
  for (std::int64_t i = 0; i < count(); ++i) all.push_back(at(i));
  return all;
}

// The elements in row-major order, bit by bit.
inline std::vector<std::uint8_t> Array::bytes() const {
  const std::size_t width = size_of(view_.dtype);
  std::vector<std::uint8_t> all(static_cast<std::size_t>(count()) * width);
  for (std::int64_t i = 0; i < count(); ++i) {
    std::memcpy(all.data() + static_cast<std::size_t>(i) * width,
                view_.as<std::uint8_t>() + static_cast<std::size_t>(offset_of(view_, i)) * width,
                width);
  }
  return all;
}

inline void Array::fill(double value) {
  for (std::int64_t i = 0; i < count(); ++i) set(i, value);
}

inline void Array::fill_random(std::mt19937& generator, double low, double high) {
  std::uniform_real_distribution<double> values(low, high);
  for (std::int64_t i = 0; i < count(); ++i) set(i, values(generator));
}

inline View Array::transposed(int a, int b) const {
  View view = view_;
  std::swap(view.sizes[a], view.sizes[b]);
  std::swap(view.strides[a], view.strides[b]);
  return view;
}

}  // namespace lockstep::testing
