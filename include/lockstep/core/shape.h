// The sizes of a tensor, stored inline, and the arithmetic on them: elements, strides,
// broadcasting.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace lockstep {

inline constexpr int max_rank = 6;

// Up to max_rank sizes, outermost first; rank 0 is a scalar. Also used for strides (in elements).
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> sizes);
  explicit Shape(std::span<const std::int64_t> sizes);

  int rank() const { return rank_; }
  std::int64_t operator[](int axis) const { return sizes_[axis]; }
  std::int64_t& operator[](int axis) { return sizes_[axis]; }
  const std::int64_t* begin() const { return sizes_; }
  const std::int64_t* end() const { return sizes_ + rank_; }
  std::int64_t elements() const {
    std::int64_t product = 1;
    for (const std::int64_t size : *this) product *= size;
    return product;
  }
  void append(std::int64_t size);
  Shape without(int axis) const;

  friend bool operator==(const Shape& a, const Shape& b);

 private:
  std::int32_t rank_ = 0;
  std::int64_t sizes_[max_rank] = {};
};

// "[2, 3]"; "[]" for a scalar.
std::string to_string(const Shape& shape);
// Row-major strides in elements.
Shape contiguous_strides(const Shape& sizes);
// NumPy's rule: aligned at the last axis, sizes equal or 1. ShapeError names both shapes and `op`.
Shape broadcast(const char* op, const Shape& a, const Shape& b);
// Maps -rank..rank-1 to 0..rank-1. ShapeError names the axis and the rank.
int normalized_axis(const char* op, int axis, int rank);

}  // namespace lockstep
