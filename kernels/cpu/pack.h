// Packs the right operand of a tile: blocks of columns, step after step, with zeros beyond the last
// column.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/tile.h"
#include "kernels/cpu/transpose.h"

namespace lockstep::kernels::cpu {

template <class T> inline constexpr std::int64_t block_columns = tile_vectors* lanes<T>;

// Elements of the packed form of `columns` columns and `depth` steps.
template <class T> std::int64_t packed_size(std::int64_t columns, std::int64_t depth) {
  return round_up(columns, lanes<T>) * depth;
}

// Vectors of a block that begins with `left` columns to go.
template <class T> int vectors_of(std::int64_t left) { return left > lanes<T> ? tile_vectors : 1; }

namespace detail {

// Steps are contiguous: blocks of lanes x lanes are turned in registers.
template <class T>
void pack_turned(std::int64_t valid, std::int64_t depth, const T* from,
                 std::ptrdiff_t column_stride, std::int64_t width, T* packed) {
  constexpr int n = lanes<T>;
  for (std::int64_t c = 0; c < valid; c += n) {
    const int columns = static_cast<int>(std::min<std::int64_t>(n, valid - c));
    for (std::int64_t step = 0; step < depth; step += n) {
      const int steps = static_cast<int>(std::min<std::int64_t>(n, depth - step));
      transpose(from + c * column_stride + step, column_stride, columns, steps,
                packed + step * width + c, width);
    }
  }
}

template <class T>
void pack_lines(std::int64_t valid, std::int64_t depth, const T* from, std::ptrdiff_t step_stride,
                std::ptrdiff_t column_stride, std::int64_t width, T* packed) {
  for (std::int64_t step = 0; step < depth; ++step, from += step_stride, packed += width) {
    if (column_stride == 1) {
      std::copy_n(from, valid, packed);
    } else {
      for (std::int64_t c = 0; c < valid; ++c) packed[c] = from[c * column_stride];
    }
  }
}

}  // namespace detail

// One block of up to block_columns: packed[step][column] = from[step * step_stride + column *
// column_stride]. Returns where the next block goes.
template <class T>
T* pack_block(std::int64_t left, std::int64_t depth, const T* from, std::ptrdiff_t step_stride,
              std::ptrdiff_t column_stride, T* packed) {
  const std::int64_t width = vectors_of<T>(left) * lanes<T>, valid = std::min(left, width);
  if (valid < width) std::fill_n(packed, depth * width, T(0));
  if (step_stride == 1 && column_stride != 1) {
    detail::pack_turned(valid, depth, from, column_stride, width, packed);
  } else {
    detail::pack_lines(valid, depth, from, step_stride, column_stride, width, packed);
  }
  return packed + depth * width;
}

// All blocks of `columns` columns.
template <class T>
void pack_columns(std::int64_t columns, std::int64_t depth, const T* from,
                  std::ptrdiff_t step_stride, std::ptrdiff_t column_stride, T* packed) {
  for (std::int64_t first = 0; first < columns; first += block_columns<T>) {
    packed = pack_block(columns - first, depth, from + first * column_stride, step_stride,
                        column_stride, packed);
  }
}

}  // namespace lockstep::kernels::cpu
