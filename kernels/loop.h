// Walks over several views of the same sizes at once, with as few axes as their strides allow.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include "lockstep/core/view.h"

namespace lockstep::kernels {

template <int N> struct Loop {
  int rank = 0;  // at least 1 after collapse()
  std::int64_t sizes[max_rank] = {};
  std::int64_t strides[max_rank][N] = {};

  std::int64_t elements() const {
    std::int64_t product = 1;
    for (int axis = 0; axis < rank; ++axis) product *= sizes[axis];
    return product;
  }
  std::int64_t inner() const { return sizes[rank - 1]; }
  std::int64_t inner_stride(int view) const { return strides[rank - 1][view]; }
  // True when all elements of the view follow each other in the order of the walk.
  bool is_dense(int view) const { return rank == 1 && strides[0][view] == 1; }

  void append(std::int64_t size, const std::int64_t (&stride)[N]) {
    sizes[rank] = size;
    for (int view = 0; view < N; ++view) strides[rank][view] = stride[view];
    ++rank;
  }
  // Axes in descending order of view 0's strides; stable.
  void sort() {
    for (int i = 1; i < rank; ++i) {
      for (int j = i; j > 0 && strides[j - 1][0] < strides[j][0]; --j) {
        std::swap(sizes[j - 1], sizes[j]);
        std::swap(strides[j - 1], strides[j]);
      }
    }
  }
  // Drops axes of size 1 and joins neighbours that every view walks through in one stride.
  void merge() {
    int kept = 0;
    for (int axis = 0; axis < rank; ++axis) {
      if (sizes[axis] == 1) continue;
      const bool can_join = kept > 0 && [&] {
        for (int view = 0; view < N; ++view) {
          if (strides[kept - 1][view] != strides[axis][view] * sizes[axis]) return false;
        }
        return true;
      }();
      const int place = can_join ? kept - 1 : kept++;
      sizes[place] = can_join ? sizes[place] * sizes[axis] : sizes[axis];
      for (int view = 0; view < N; ++view) strides[place][view] = strides[axis][view];
    }
    rank = kept;
    if (rank > 0) return;
    rank = sizes[0] = 1;
    for (int view = 0; view < N; ++view) strides[0][view] = 1;
  }
};

// The axes of `views`, which all have the sizes of views[0].
template <int N> Loop<N> loop_over(const View* const (&views)[N]) {
  Loop<N> loop;
  for (int axis = 0; axis < views[0]->rank(); ++axis) {
    loop.sizes[axis] = views[0]->sizes[axis];
    for (int view = 0; view < N; ++view) loop.strides[axis][view] = views[view]->strides[axis];
  }
  loop.rank = views[0]->rank();
  return loop;
}

// The same, in whatever order is best for view 0.
template <int N> Loop<N> sorted_loop(const View* const (&views)[N]) {
  Loop<N> loop = loop_over(views);
  loop.sort();
  loop.merge();
  return loop;
}

// Calls body(offsets, n) for every run along the innermost axis within elements [begin, end) of the
// walk.
template <int N, class Body>
void for_runs(const Loop<N>& loop, std::int64_t begin, std::int64_t end, const Body& body) {
  if (begin >= end) return;
  const int last = loop.rank - 1;
  std::int64_t place[max_rank];
  std::int64_t offsets[N] = {};
  std::int64_t rest = begin;
  for (int axis = last; axis >= 0; --axis) {
    place[axis] = rest % loop.sizes[axis];
    rest /= loop.sizes[axis];
    for (int view = 0; view < N; ++view) offsets[view] += place[axis] * loop.strides[axis][view];
  }
  while (true) {
    const std::int64_t n = std::min(loop.sizes[last] - place[last], end - begin);
    body(static_cast<const std::int64_t*>(offsets), n);
    begin += n;
    if (begin >= end) return;
    for (int view = 0; view < N; ++view) offsets[view] -= place[last] * loop.strides[last][view];
    place[last] = 0;
    for (int axis = last - 1; axis >= 0; --axis) {
      const bool is_over = ++place[axis] == loop.sizes[axis];
      const std::int64_t steps = is_over ? 1 - loop.sizes[axis] : 1;
      if (is_over) place[axis] = 0;
      for (int view = 0; view < N; ++view) offsets[view] += steps * loop.strides[axis][view];
      if (!is_over) break;
    }
  }
}

}  // namespace lockstep::kernels
