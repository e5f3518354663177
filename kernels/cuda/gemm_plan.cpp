#include "kernels/cuda/gemm_plan.h"

#include <algorithm>

#include "kernels/math/pointwise.h"

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

View contiguous_like(const View& view, void* data) {
  View result = view;
  result.data = data;
  std::int64_t step = 1;
  for (int axis = view.rank() - 1; axis >= 0; --axis) {
    result.strides[axis] = step;
    step *= view.sizes[axis];
  }
  return result;
}

core::Memory memory_for(GemmParts& parts, const View& view) {
  return parts.allocate(static_cast<std::size_t>(view.elements()) * size_of(view.dtype));
}

// Copies an operand that the library cannot read where it lies, or not as this type; `keep` owns
// the copy.
void make_readable(GemmParts& parts, View& view, DType dtype, bool is_readable,
                   core::Memory& keep) {
  if (is_readable && view.dtype == dtype) return;
  View copied = view;
  copied.dtype = dtype;
  keep = memory_for(parts, copied);
  copied = contiguous_like(copied, keep->data());
  parts.copy({.in = view, .out = copied});
  view = copied;
}

OpId op_of(Activation activation) {
  switch (activation) {
    case Activation::relu:
      return math::Pointwise::id_of<math::Relu>();
    case Activation::gelu:
      return math::Pointwise::id_of<math::Gelu>();
    case Activation::tanh:
      return math::Pointwise::id_of<math::Tanh>();
    default:
      return math::Pointwise::id_of<math::Sigmoid>();
  }
}

// What the library cannot do while it writes: an activation, or another layout or type of the
// result.
void finish(GemmParts& parts, const View& product, const GemmCall& call) {
  const bool is_activated = call.activation != Activation::none;
  const bool is_converted = product.dtype != call.out.dtype;
  if (is_activated) {
    PointwiseCall activate{.op = op_of(call.activation),
                           .write = is_converted ? Write::store : call.write,
                           .out = is_converted ? product : call.out};
    activate.in[0] = product;
    parts.pointwise(activate);
  }
  if (!is_activated || is_converted)
    parts.copy({.write = call.write, .in = product, .out = call.out});
}

// Of what the library writes: it adds a bias of f32 to results of f32 only.
DType product_dtype(const GemmCall& call) {
  return call.bias.data != nullptr && call.bias.dtype == DType::f32 ? DType::f32 : call.out.dtype;
}

// Epilogues want a packed bias, and some refuse one that is not aligned to 16 bytes, which no
// preference of the library's tells them.
bool can_be_epilogue(const View& bias) {
  return bias.is_contiguous() && reinterpret_cast<std::uintptr_t>(bias.data) % 16 == 0;
}

// The sums have no terms.
void add_nothing(GemmParts& parts, const GemmCall& call) {
  if (call.write == Write::add) return;
  if (call.bias.data == nullptr) return parts.copy({.out = call.out, .scale = 0});
  View bias = call.out;
  bias.data = call.bias.data;
  bias.dtype = call.bias.dtype;
  for (int axis = 0; axis < bias.rank(); ++axis) bias.strides[axis] = 0;
  bias.strides[bias.rank() - 1] = call.bias.strides[0];
  parts.copy({.in = bias, .out = call.out});
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

void gemm_with(GemmParts& parts, const GemmCall& call) {
  if (call.out.elements() == 0) return;
  core::Memory a_copy, b_copy, bias_copy, result;
  GemmCall plain = call;
  plain.activation = Activation::none;
  const bool has_activation = call.activation != Activation::none;
  const bool is_activated_sum = has_activation && call.write == Write::add;
  const DType dtype = product_dtype(call);
  const bool is_in_place = is_row_major(call.out) && !is_activated_sum && dtype == call.out.dtype;
  if (!is_in_place) {
    plain.out.dtype = dtype;
    result = memory_for(parts, plain.out);
    plain.out = contiguous_like(plain.out, result->data());
    plain.write = Write::store;
  }
  if (call.a.sizes[call.a.rank() - 1] == 0) {
    add_nothing(parts, plain);
  } else {
    make_readable(parts, plain.a, call.a.dtype, is_matrix(call.a), a_copy);
    make_readable(parts, plain.b, call.b.dtype, is_matrix(call.b), b_copy);
    if (call.bias.data != nullptr)
      make_readable(parts, plain.bias, dtype, can_be_epilogue(call.bias), bias_copy);
    parts.multiply(gemm_plan(plain), plain);
  }
  if (has_activation || !is_in_place) finish(parts, plain.out, call);
}

}  // namespace lockstep::kernels::cuda
