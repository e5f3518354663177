// Transposes blocks in vector registers. T is the unsigned integer of the elements' size: bits are
// moved only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "kernels/cpu/vec.h"

namespace lockstep::kernels::cpu {

template <class T> struct Square {
  // Rows and columns of a block: as many as a register holds, at most 16.
  static constexpr int n = std::min(16, vector_bytes / static_cast<int>(sizeof(T)));
  typedef T Row __attribute__((vector_size(n * sizeof(T))));
  typedef T Element __attribute__((may_alias));
  typedef T Stored __attribute__((vector_size(n * sizeof(T)), aligned(alignof(T)), may_alias));

  template <int... i> static Row low(Row a, Row b, std::integer_sequence<int, i...>) {
    return __builtin_shufflevector(a, b, (i / 2 + (i % 2) * n)...);
  }
  template <int... i> static Row high(Row a, Row b, std::integer_sequence<int, i...>) {
    return __builtin_shufflevector(a, b, (n / 2 + i / 2 + (i % 2) * n)...);
  }

  // out[c * out_stride + r] = in[r * in_stride + c]: log2(n) perfect shuffles of all rows.
  static void transpose(const T* in, std::int64_t in_stride, T* out, std::int64_t out_stride) {
    constexpr auto places = std::make_integer_sequence<int, n>{};
    Row rows[n], shuffled[n];
    for (int r = 0; r < n; ++r) rows[r] = *reinterpret_cast<const Stored*>(in + r * in_stride);
    for (int half = 1; half < n; half *= 2) {
      for (int r = 0; r < n / 2; ++r) {
        shuffled[2 * r] = low(rows[r], rows[r + n / 2], places);
        shuffled[2 * r + 1] = high(rows[r], rows[r + n / 2], places);
      }
      for (int r = 0; r < n; ++r) rows[r] = shuffled[r];
    }
    for (int c = 0; c < n; ++c) *reinterpret_cast<Stored*>(out + c * out_stride) = rows[c];
  }
};

// out[c * out_stride + r] = in[r * in_stride + c] for any number of rows and columns.
template <class T>
void transpose_block(const T* in, std::int64_t in_stride, T* out, std::int64_t out_stride,
                     std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t n = Square<T>::n;
  const auto* const source = reinterpret_cast<const typename Square<T>::Element*>(in);
  auto* const target = reinterpret_cast<typename Square<T>::Element*>(out);
  for (std::int64_t r = 0; r < rows; r += n) {
    for (std::int64_t c = 0; c < columns; c += n) {
      const T* const from = in + r * in_stride + c;
      T* const to = out + c * out_stride + r;
      if (r + n <= rows && c + n <= columns) {
        Square<T>::transpose(from, in_stride, to, out_stride);
        continue;
      }
      for (std::int64_t k = c; k < std::min(c + n, columns); ++k) {
        for (std::int64_t i = r; i < std::min(r + n, rows); ++i)
          target[k * out_stride + i] = source[i * in_stride + k];
      }
    }
  }
}

}  // namespace lockstep::kernels::cpu
