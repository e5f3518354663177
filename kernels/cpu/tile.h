// The register tile that GEMM and convolution share: `rows` x `vectors` accumulators, each step of
// the inner dimension broadcasting one element a row and loading one packed row of vectors.
#pragma once

#include <algorithm>

#include "kernels/cpu/vec.h"

namespace lockstep::kernels::cpu {

// As many rows as leave registers for the vectors of a step and the broadcast.
inline constexpr int tile_vectors = 2;
inline constexpr int tile_rows = vector_registers == 32 ? 12 : 6;

// What is done to a finished tile. `columns` counts the valid ones of the tile's vectors * lanes.
template <class T> struct Finish {
  const T* bias = nullptr;  // one per column, readable for the whole tile
  int columns = 0;
  bool add = false;   // to what is there, before bias and relu
  bool relu = false;  // NaN passes
};

namespace detail {

template <class T, int R, int V> struct Sums {
  Vec<T> at[R][V];

  __attribute__((always_inline)) void clear() {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) at[r][v] = Vec<T>{};
    }
  }
};

template <class T, int R, int V>
inline __attribute__((always_inline)) void finish_tile(Sums<T, R, V>& sums, T* const* out,
                                                       const Finish<T>& finish) {
  constexpr int width = V * lanes<T>;
  const auto for_each = [](const auto& f) __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) f(r, v);
    }
  };
  const auto transform = [&](T* const* there) __attribute__((always_inline)) {
    if (finish.add) {
      for_each([&](int r, int v) __attribute__((always_inline)) {
        sums.at[r][v] += load(there[r] + v * lanes<T>);
      });
    }
    if (finish.bias != nullptr) {
      for_each([&](int r, int v) __attribute__((always_inline)) {
        sums.at[r][v] += load(finish.bias + v * lanes<T>);
      });
    }
    if (finish.relu) {
      for_each([&](int r, int v) __attribute__((always_inline)) {
        sums.at[r][v] = sums.at[r][v] < Vec<T>{} ? Vec<T>{} : sums.at[r][v];
      });
    }
    for_each([&](int r, int v)
                 __attribute__((always_inline)) { store(there[r] + v * lanes<T>, sums.at[r][v]); });
  };
  if (finish.columns == width) return transform(out);
  T whole[R * width] = {};
  T* rows[R];
  for (int r = 0; r < R; ++r) {
    rows[r] = whole + r * width;
    if (finish.add) std::copy_n(out[r], finish.columns, rows[r]);
  }
  transform(rows);
  for (int r = 0; r < R; ++r) std::copy_n(rows[r], finish.columns, out[r]);
}

}  // namespace detail

// The inner dimension: three nested counts with the left operand's pitches; the right operand moves
// on by right_pitch at every step.
struct Walk {
  std::ptrdiff_t images = 1, lines = 1, steps = 0;
  std::ptrdiff_t image_pitch = 0, line_pitch = 0, step_pitch = 1;
  std::ptrdiff_t right_pitch = 0;
};

// out[r][c] (+)= sum over the walk of rows[r][at] * right[at][c], for r < valid_rows and c <
// finish.columns. All R rows are read: the caller repeats one where it has fewer.
template <class T, int R, int V>
void tile(const T* const* rows, const T* right, const Walk& walk, T* const* out,
          const Finish<T>& finish) {
  detail::Sums<T, R, V> sums;
  sums.clear();
  const std::ptrdiff_t step = walk.step_pitch;  // 0 where the left operand is broadcast
  const std::ptrdiff_t right_pitch = walk.right_pitch;
  for (std::ptrdiff_t image = 0; image < walk.images; ++image) {
    for (std::ptrdiff_t line = 0; line < walk.lines; ++line) {
      const T* row[R];
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        row[r] = rows[r] + image * walk.image_pitch + line * walk.line_pitch;
      }
      std::ptrdiff_t k = 0;
      for (std::ptrdiff_t left = walk.steps; left > 0; --left, k += step, right += right_pitch) {
        Vec<T> column[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) column[v] = load(right + v * lanes<T>);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
          const T x = row[r][k];
#pragma GCC unroll 4
          for (int v = 0; v < V; ++v) sums.at[r][v] += x * column[v];
        }
      }
    }
  }
  detail::finish_tile<T, R, V>(sums, out, finish);
}

// Tiles come in three heights; the smallest that holds the rows is run.
inline constexpr int tile_heights[] = {tile_rows, tile_rows * 2 / 3, tile_rows / 3};

// A tile of any `count` <= tile_rows rows; rows[] and out[] have room for tile_rows and are filled
// up.
template <class T>
inline void run_tile(const T** rows, int count, int vectors, const T* right, const Walk& walk,
                     T** out, const Finish<T>& finish) {
  const auto at_height = [&]<int R>() {
    for (int r = count; r < R; ++r) {
      rows[r] = rows[count - 1];
      out[r] = out[count - 1];
    }
    if (vectors == 2) {
      tile<T, R, 2>(rows, right, walk, out, finish);
    } else {
      tile<T, R, 1>(rows, right, walk, out, finish);
    }
  };
  if (count > tile_heights[1]) {
    at_height.template operator()<tile_heights[0]>();
  } else if (count > tile_heights[2]) {
    at_height.template operator()<tile_heights[1]>();
  } else {
    at_height.template operator()<tile_heights[2]>();
  }
}

}  // namespace lockstep::kernels::cpu
