// Views laid over other shapes: what ops hand to kernels in place of copies.
#pragma once

#include <cstddef>
#include <utility>

#include "lockstep/autograd/node.h"
#include "lockstep/core/view.h"
#include "lockstep/kernels/backend.h"
#include "lockstep/tensor/tensor.h"

namespace lockstep::detail {

// `v` repeated to `sizes` (which its sizes broadcast to) with stride 0.
inline View broadcast_view(View v, const Shape& sizes) {
  if (v.sizes == sizes) return v;
  View wide{v.data, v.dtype, sizes, sizes};
  const int missing = sizes.rank() - v.rank();
  for (int axis = 0; axis < sizes.rank(); ++axis) {
    const bool is_own = axis >= missing && v.sizes[axis - missing] == sizes[axis];
    wide.strides[axis] = is_own ? v.strides[axis - missing] : 0;
  }
  return wide;
}

// `v` with axes of size 1 put in front, to `rank` axes.
inline View aligned_view(const View& v, int rank) {
  View result{v.data, v.dtype, {}, {}};
  for (int axis = v.rank() - rank; axis < v.rank(); ++axis) {
    result.sizes.append(axis < 0 ? 1 : v.sizes[axis]);
    result.strides.append(axis < 0 ? 0 : v.strides[axis]);
  }
  return result;
}

// `v` with an axis of size 1 put back wherever `mask` has a bit: what a reduction removed.
inline View with_axes(const View& v, unsigned mask, int rank) {
  View result{v.data, v.dtype, {}, {}};
  int from = 0;
  for (int axis = 0; axis < rank; ++axis) {
    const bool is_kept = (mask >> axis & 1U) == 0;
    result.sizes.append(is_kept ? v.sizes[from] : 1);
    result.strides.append(is_kept ? v.strides[from] : 0);
    from += is_kept ? 1 : 0;
  }
  return result;
}

// A contiguous view as a matrix: all axes but the last are rows.
inline View as_rows(const View& v) {
  const std::int64_t columns = v.sizes[v.rank() - 1];
  std::int64_t rows = 1;
  for (int axis = 0; axis + 1 < v.rank(); ++axis) rows *= v.sizes[axis];
  return {v.data, v.dtype, {rows, columns}, {columns, 1}};
}

// A matrix with its two last axes exchanged.
inline View transposed(View v) {
  const int last = v.rank() - 1;
  std::swap(v.sizes[last], v.sizes[last - 1]);
  std::swap(v.strides[last], v.strides[last - 1]);
  return v;
}

// `count` positions of an axis from `begin` on, every step-th.
inline View part_of(View whole, int axis, std::int64_t begin, std::int64_t count,
                    std::int64_t step = 1) {
  const std::int64_t offset = begin * whole.strides[axis];
  whole.data = static_cast<std::byte*>(whole.data) +
               offset * static_cast<std::int64_t>(size_of(whole.dtype));
  whole.sizes[axis] = count;
  whole.strides[axis] *= step;
  return whole;
}

// Writes `value` everywhere.
inline void fill(kernels::Backend& on, core::Stream& s, const View& out, double value) {
  on.copy({.out = out, .scale = value}, s);
}

// out (+)= scale * the sum of `wide` over the axes that out's shape was broadcast along.
inline void sum_to(kernels::Backend& on, core::Stream& s, const View& wide,
                   const autograd::Sink& out, double scale = 1) {
  on.reduce({.op = kernels::ReduceOp::sum,
             .write = out.write,
             .in = wide,
             .out = aligned_view(out.out, wide.rank()),
             .scale = scale},
            s);
}

}  // namespace lockstep::detail
