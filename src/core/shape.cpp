#include "lockstep/core/shape.h"

#include <algorithm>

#include "lockstep/base/error.h"

namespace lockstep {

Shape::Shape(std::initializer_list<std::int64_t> sizes)
    : Shape(std::span<const std::int64_t>(sizes.begin(), sizes.size())) {}

Shape::Shape(std::span<const std::int64_t> sizes) {
  for (const std::int64_t size : sizes) append(size);
}

void Shape::append(std::int64_t size) {
  check<ShapeError>(rank_ < max_rank, [] {
    return Complaint{"shape: more than " + std::to_string(max_rank) + " axes",
                     "reshape the tensor to at most " + std::to_string(max_rank) + " axes"};
  });
  sizes_[rank_++] = size;
}

Shape Shape::without(int axis) const {
  Shape rest;
  for (int i = 0; i < rank_; ++i) {
    if (i != axis) rest.append(sizes_[i]);
  }
  return rest;
}

bool operator==(const Shape& a, const Shape& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (int i = 0; i < shape.rank(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

Shape contiguous_strides(const Shape& sizes) {
  Shape strides = sizes;
  std::int64_t step = 1;
  for (int i = sizes.rank() - 1; i >= 0; --i) {
    strides[i] = step;
    step *= std::max<std::int64_t>(sizes[i], 1);
  }
  return strides;
}

Shape broadcast(const char* op, const Shape& a, const Shape& b) {
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  Shape result = longer;
  const int offset = longer.rank() - shorter.rank();
  for (int i = 0; i < shorter.rank(); ++i) {
    std::int64_t& size = result[offset + i];
    check<ShapeError>(size == shorter[i] || size == 1 || shorter[i] == 1, [&] {
      return Complaint{std::string(op) + ": shapes " + to_string(a) + " and " + to_string(b) +
                           " do not broadcast",
                       "make the sizes of each axis, counted from the last, equal or 1"};
    });
    if (size == 1) size = shorter[i];
  }
  return result;
}

int normalized_axis(const char* op, int axis, int rank) {
  check<ShapeError>(axis >= -rank && axis < rank, [&] {
    return Complaint{
        std::string(op) + ": axis " + std::to_string(axis) + " of a tensor with " +
            std::to_string(rank) + " axes",
        "use an axis from " + std::to_string(-rank) + " to " + std::to_string(rank - 1)};
  });
  return axis < 0 ? axis + rank : axis;
}

}  // namespace lockstep
