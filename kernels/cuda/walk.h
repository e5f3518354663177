// How a thread finds its elements: the walk of kernels/loop.h, cut into pieces that 32-bit indices
// reach and into steps of a few elements that are loaded together.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/loop.h"
#include "kernels/math/hd.h"

namespace lockstep::kernels::cuda {

// 64-bit division takes a hundred instructions on a GPU, 32-bit a few.
inline constexpr std::int64_t most_elements = std::int64_t{1} << 31;

// A loop over N views in steps of `width` elements along the innermost axis; plain, of fixed size,
// a kernel's argument.
template <int N> struct Walk {
  int rank = 0;
  std::uint32_t steps = 0;  // all axes together
  std::uint32_t sizes[max_rank] = {};
  std::int64_t strides[max_rank][N] = {};

  // Where step `i` begins in each view, in elements.
  LS_HD void find(std::uint32_t i, std::int64_t (&offsets)[N]) const {
    for (int view = 0; view < N; ++view) offsets[view] = 0;
    for (int axis = rank - 1; axis >= 0; --axis) {
      const std::uint32_t rest = axis > 0 ? i / sizes[axis] : 0;
      const std::uint32_t place = i - rest * sizes[axis];
      for (int view = 0; view < N; ++view) offsets[view] += place * strides[axis][view];
      i = rest;
    }
  }
};

template <int N> Walk<N> walk_of(const Loop<N>& loop, int width) {
  Walk<N> walk;
  walk.rank = loop.rank;
  walk.steps = static_cast<std::uint32_t>(loop.elements() / width);
  for (int axis = 0; axis < loop.rank; ++axis) {
    const std::int64_t along = axis == loop.rank - 1 ? width : 1;
    walk.sizes[axis] = static_cast<std::uint32_t>(loop.sizes[axis] / along);
    for (int view = 0; view < N; ++view)
      walk.strides[axis][view] = loop.strides[axis][view] * along;
  }
  return walk;
}

// Whether steps of `width` elements of `element` bytes can be loaded at once: every view is
// contiguous or constant along the innermost axis, and no step crosses its end or an alignment.
template <int N>
bool can_step(const Loop<N>& loop, const void* const (&data)[N], int width, std::size_t element) {
  if (loop.inner() % width != 0) return false;
  for (int view = 0; view < N; ++view) {
    const std::int64_t along = loop.inner_stride(view);
    if (along == 0) continue;
    const std::size_t bytes = static_cast<std::size_t>(width) * element;
    if (along != 1 || reinterpret_cast<std::uintptr_t>(data[view]) % bytes != 0) return false;
    for (int axis = 0; axis < loop.rank - 1; ++axis) {
      if (loop.strides[axis][view] % width != 0) return false;
    }
  }
  return true;
}

// Calls body(loop, offsets) for parts of at most most_elements elements; offsets in elements.
template <int N, class Body>
void for_pieces(const Loop<N>& loop, const Body& body, std::int64_t most = most_elements,
                const std::int64_t (&offsets)[N] = {}) {
  if (loop.elements() == 0) return;
  if (loop.elements() <= most) return body(loop, offsets);
  int longest = 0;
  for (int axis = 1; axis < loop.rank; ++axis) {
    if (loop.sizes[axis] > loop.sizes[longest]) longest = axis;
  }
  // A power of two, so that a part's first element is aligned as the whole's.
  std::int64_t first = 1;
  while (2 * first < loop.sizes[longest]) first *= 2;
  Loop<N> part = loop;
  part.sizes[longest] = first;
  for_pieces(part, body, most, offsets);
  part.sizes[longest] = loop.sizes[longest] - first;
  std::int64_t behind[N];
  for (int view = 0; view < N; ++view)
    behind[view] = offsets[view] + first * loop.strides[longest][view];
  for_pieces(part, body, most, behind);
}

}  // namespace lockstep::kernels::cuda
