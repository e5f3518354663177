#include "kernels/cuda/gemm_plan.h"

#include <algorithm>

namespace lockstep::kernels::cuda {
namespace {

// The last two axes of a view.
struct Sides {
  std::int64_t rows, columns, row_stride, column_stride;
};

Sides sides_of(const View& view) {
  const int axis = view.rank() - 2;
  return {view.sizes[axis], view.sizes[axis + 1], view.strides[axis], view.strides[axis + 1]};
}

// The distance from line to line where lines of `length` elements are contiguous; 0: they are not.
std::int64_t leading_of(std::int64_t lines, std::int64_t length, std::int64_t line_stride,
                        std::int64_t stride) {
  if (length > 1 && stride != 1) return 0;
  if (lines > 1 && line_stride < length) return 0;
  return lines > 1 ? line_stride : std::max<std::int64_t>(1, length);
}

std::int64_t row_leading(const Sides& s) {
  return leading_of(s.rows, s.columns, s.row_stride, s.column_stride);
}
std::int64_t column_leading(const Sides& s) {
  return leading_of(s.columns, s.rows, s.column_stride, s.row_stride);
}

// The transpose of `view`, column-major.
ColumnMatrix turned(const View& view) {
  const Sides s = sides_of(view);
  const std::int64_t batch_stride = view.rank() == 3 ? view.strides[0] : 0;
  if (const std::int64_t leading = row_leading(s); leading > 0) {
    return {s.columns, s.rows, leading, batch_stride, false};
  }
  return {s.rows, s.columns, column_leading(s), batch_stride, true};
}

}  // namespace

bool is_matrix(const View& view) {
  const Sides s = sides_of(view);
  return row_leading(s) > 0 || column_leading(s) > 0;
}

bool is_row_major(const View& view) { return row_leading(sides_of(view)) > 0; }

GemmPlan gemm_plan(const GemmCall& call) {
  const int axis = call.out.rank() - 2;
  return {.m = call.out.sizes[axis + 1],
          .n = call.out.sizes[axis],
          .k = call.a.sizes[axis + 1],
          .batches = axis == 1 ? call.out.sizes[0] : 1,
          .first = turned(call.b),
          .second = turned(call.a),
          .out = turned(call.out)};
}

}  // namespace lockstep::kernels::cuda
