// Transposes small blocks in registers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "kernels/cpu/vec.h"

namespace lockstep::kernels::cpu {
namespace detail {

// Element i of the pair (a, b) exchanged in groups of G: the low halves of both, or the high
// halves.
template <int G, bool High, class V, int... I>
inline __attribute__((always_inline)) V exchanged(V a, V b, std::integer_sequence<int, I...>) {
  constexpr int n = sizeof...(I);
  return __builtin_shufflevector(a, b, ((I & G) ? n + (High ? I : I - G) : (High ? I + G : I))...);
}

// Swaps blocks of G x G for G = 1, 2, 4 ... : after all stages at[i][j] and at[j][i] have changed
// places.
template <class T, int G>
inline __attribute__((always_inline)) void transpose_stage(Vec<T> (&at)[lanes<T>]) {
  using Lanes = std::make_integer_sequence<int, lanes<T>>;
#pragma GCC unroll 16
  for (int i = 0; i < lanes<T>; ++i) {
    if ((i & G) == 0) {
      const Vec<T> a = at[i], b = at[i + G];
      at[i] = exchanged<G, false>(a, b, Lanes{});
      at[i + G] = exchanged<G, true>(a, b, Lanes{});
    }
  }
  if constexpr (2 * G < lanes<T>) transpose_stage<T, 2 * G>(at);
}

}  // namespace detail

// to[j * to_pitch + i] = from[i * from_pitch + j] for i < rows, j < columns, both at most lanes.
template <class T>
void transpose(const T* from, std::ptrdiff_t from_pitch, int rows, int columns, T* to,
               std::ptrdiff_t to_pitch) {
  constexpr int n = lanes<T>;
  if (rows < n || columns < n) {
    for (int i = 0; i < rows; ++i) {
      for (int j = 0; j < columns; ++j) to[j * to_pitch + i] = from[i * from_pitch + j];
    }
    return;
  }
  Vec<T> at[n];
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) at[i] = load(from + i * from_pitch);
  detail::transpose_stage<T, 1>(at);
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) store(to + i * to_pitch, at[i]);
}

// to [columns, rows] = the transpose of from [rows, columns], both contiguous.
template <class T>
void transpose_matrix(const T* from, std::int64_t rows, std::int64_t columns, T* to) {
  for (std::int64_t i = 0; i < rows; i += lanes<T>) {
    const int high = static_cast<int>(std::min<std::int64_t>(lanes<T>, rows - i));
    for (std::int64_t j = 0; j < columns; j += lanes<T>) {
      const int wide = static_cast<int>(std::min<std::int64_t>(lanes<T>, columns - j));
      transpose(from + i * columns + j, columns, high, wide, to + j * rows + i, rows);
    }
  }
}

}  // namespace lockstep::kernels::cpu
