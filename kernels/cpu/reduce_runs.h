// Reductions of runs and of stacked rows in vector lanes, in an order that depends on sizes alone.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "kernels/cpu/convert.h"
#include "kernels/math/team.h"
#include "lockstep/kernels/calls.h"

namespace lockstep::kernels::cpu {

// The neutral element.
template <ReduceOp op, class A> LS_HD A start() {
  using Limits = std::numeric_limits<A>;
  if constexpr (op == ReduceOp::max) {
    return Limits::has_infinity ? A(-Limits::infinity()) : Limits::lowest();
  } else if constexpr (op == ReduceOp::min) {
    return Limits::has_infinity ? Limits::infinity() : Limits::max();
  } else {
    return A(0);
  }
}
template <ReduceOp op, class A> LS_HD A joined(A a, A b) {
  if constexpr (op == ReduceOp::max) return math::larger(a, b);
  if constexpr (op == ReduceOp::min) return math::smaller(a, b);
  return a + b;
}
template <ReduceOp op, class A> LS_HD A prepared(A x) {
  if constexpr (op == ReduceOp::sum_of_squares) return x * x;
  return x;
}

// What sums of many runs are kept in, so that they stay as exact as the runs.
template <ReduceOp op, class A>
using Wide = std::conditional_t<
    std::is_same_v<A, float> && (op == ReduceOp::sum || op == ReduceOp::sum_of_squares), double, A>;

// The elements of `partial`, joined pairwise.
template <ReduceOp op, int count, class A> LS_HD A joined_lanes(A (&partial)[count]) {
  for (int width = count / 2; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane)
      partial[lane] = joined<op>(partial[lane], partial[lane + width]);
  }
  return partial[0];
}

// At most a few thousand contiguous elements, in enough lanes to hide the latency of an addition.
template <ReduceOp op, class A, class T> A reduced_chunk(const T* in, std::int64_t n) {
  constexpr int wide = 64;
  A partial[wide];
  for (A& each : partial) each = start<op, A>();
  std::int64_t i = 0;
  for (; i + wide <= n; i += wide) {
    LS_SIMD
    for (int lane = 0; lane < wide; ++lane) {
      partial[lane] = joined<op>(partial[lane], prepared<op>(converted<A>(in[i + lane])));
    }
  }
  for (int lane = 0; i < n; ++i, ++lane) {
    partial[lane] = joined<op>(partial[lane], prepared<op>(converted<A>(in[i])));
  }
  return joined_lanes<op>(partial);
}

// n elements, `stride` apart: chunks whose results are joined as a balanced tree.
template <ReduceOp op, class A, class T>
A reduced_run(const T* in, std::int64_t stride, std::int64_t n) {
  constexpr std::int64_t chunk = 4096;
  if (n > chunk) {
    const std::int64_t half = (n / 2 + chunk - 1) / chunk * chunk;
    return joined<op>(reduced_run<op, A>(in, stride, half),
                      reduced_run<op, A>(in + half * stride, stride, n - half));
  }
  if (stride == 1 && n < 64) {
    A result = start<op, A>();
    for (std::int64_t i = 0; i < n; ++i)
      result = joined<op>(result, prepared<op>(converted<A>(in[i])));
    return result;
  }
  if (stride == 1 && !is_half<T>) return reduced_chunk<op, A>(in, n);
  alignas(64) A gathered[chunk];
  load_run(in, stride, gathered, n);
  return reduced_chunk<op, A>(gathered, n);
}

// out[c] = joined(out[c], row r's element c) for all rows, `stride` apart.
template <ReduceOp op, class A, class T>
void join_few_rows(const T* in, std::int64_t stride, std::int64_t rows, std::int64_t width,
                   A* out) {
  std::int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    const T* const row[4] = {in + r * stride, in + (r + 1) * stride, in + (r + 2) * stride,
                             in + (r + 3) * stride};
    LS_SIMD
    for (std::int64_t c = 0; c < width; ++c) {
      const A first =
          joined<op>(prepared<op>(converted<A>(row[0][c])), prepared<op>(converted<A>(row[1][c])));
      const A second =
          joined<op>(prepared<op>(converted<A>(row[2][c])), prepared<op>(converted<A>(row[3][c])));
      out[c] = joined<op>(out[c], joined<op>(first, second));
    }
  }
  for (; r < rows; ++r) {
    const T* const row = in + r * stride;
    LS_SIMD
    for (std::int64_t c = 0; c < width; ++c)
      out[c] = joined<op>(out[c], prepared<op>(converted<A>(row[c])));
  }
}

// Row i of `parts` rows joined into row 0, pairwise.
template <ReduceOp op, class A> void join_all(A* results, std::int64_t parts, std::int64_t width) {
  for (std::int64_t step = 1; step < parts; step *= 2) {
    for (std::int64_t i = 0; i + step < parts; i += 2 * step) {
      A* const left = results + i * width;
      const A* const right = results + (i + step) * width;
      LS_SIMD
      for (std::int64_t c = 0; c < width; ++c) left[c] = joined<op>(left[c], right[c]);
    }
  }
}

// Rows that follow each other without a gap are joined several at a time, as one longer row.
template <ReduceOp op, class A, class T>
void join_rows(const T* in, std::int64_t stride, std::int64_t rows, std::int64_t width, A* out) {
  constexpr std::int64_t wide = 256;
  const std::int64_t together = wide / width;
  if (stride != width || together < 2 || rows < 4 * together) {
    return join_few_rows<op>(in, stride, rows, width, out);
  }
  alignas(64) A sums[wide];
  std::fill(sums, sums + wide, start<op, A>());
  const std::int64_t long_rows = rows / together;
  join_few_rows<op>(in, together * width, long_rows, together * width, sums);
  join_all<op>(sums, together, width);
  for (std::int64_t c = 0; c < width; ++c) out[c] = joined<op>(out[c], sums[c]);
  join_few_rows<op>(in + long_rows * together * width, stride, rows - long_rows * together, width,
                    out);
}

// The first of n >= 1 elements that equals `value`, or is NaN where that is NaN.
template <class A> std::int64_t first_equal(const A* in, std::int64_t n, A value) {
  const auto is_match = [value](A x) { return x == value || (x != x && value != value); };
  std::int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    int matches = 0;
#pragma omp simd reduction(+ : matches)
    for (int lane = 0; lane < 64; ++lane) matches += is_match(in[i + lane]) ? 1 : 0;
    if (matches > 0) break;
  }
  while (i + 1 < n && !is_match(in[i])) ++i;
  return i;
}

// The position of the first largest element; of the first NaN where there is one.
template <class T> std::int64_t first_largest(const T* in, std::int64_t stride, std::int64_t n) {
  using A = Real<T>;
  constexpr std::int64_t block = 1024;
  alignas(64) A gathered[block];
  std::int64_t best = 0;
  A top = start<ReduceOp::max, A>();
  for (std::int64_t first = 0; first < n && top == top; first += block) {
    const std::int64_t count = std::min(block, n - first);
    const A* values = gathered;
    if constexpr (std::is_same_v<A, T>) {
      if (stride == 1) values = in + first;
    }
    if (values == gathered) load_run(in + first * stride, stride, gathered, count);
    const A largest = reduced_run<ReduceOp::max, A>(values, 1, count);
    if (first > 0 && !(largest > top) && largest == largest) continue;
    best = first + first_equal(values, count, largest);
    top = largest;
  }
  return best;
}

}  // namespace lockstep::kernels::cpu
