#include <fmt/format.h>

#include "lockstep/ops/apply.h"
#include "lockstep/ops/linalg.h"
#include "lockstep/ops/views.h"
#include "src/ops/checks.h"
#include "src/ops/strided.h"

namespace lockstep {
namespace {

using detail::transposed;
using kernels::Backend;
using kernels::Write;

// The axes in front of the last two.
Shape batch_of(const Shape& shape) {
  Shape batch;
  for (int axis = 0; axis + 2 < shape.rank(); ++axis) batch.append(shape[axis]);
  return batch;
}

Shape with_matrix(Shape batch, std::int64_t rows, std::int64_t columns) {
  batch.append(rows);
  batch.append(columns);
  return batch;
}

// A matrix for each element of `batch`, repeated where the view has fewer.
View repeated(const View& v, const Shape& batch) {
  return detail::broadcast_view(v,
                                with_matrix(batch, v.sizes[v.rank() - 2], v.sizes[v.rank() - 1]));
}

// One product of views with equal batch axes; the kernel takes one of these, the rest is a loop.
void multiply(Backend& on, core::Stream& s, const View& a, const View& b, const View& out) {
  if (out.rank() <= 3) return on.gemm({.a = a, .b = b, .out = out}, s);
  const auto entry = [](const View& v, std::int64_t i) {
    View rest = detail::part_of(v, 0, i, 1);
    rest.sizes = rest.sizes.without(0);
    rest.strides = rest.strides.without(0);
    return rest;
  };
  for (std::int64_t i = 0; i < out.sizes[0]; ++i) {
    multiply(on, s, entry(a, i), entry(b, i), entry(out, i));
  }
}

struct MatMul {
  static constexpr const char* name = "matmul";

  Meta output(const Tensor& a, const Tensor& b) const {
    const std::int64_t rows = a.shape()[a.rank() - 2];
    const std::int64_t columns = b.shape()[b.rank() - 1];
    const Shape batch = broadcast(name, batch_of(a.shape()), batch_of(b.shape()));
    check<ShapeError>(batch.rank() + 2 <= max_rank, [&] {
      return Complaint{fmt::format("matmul: {} batch axes", batch.rank()),
                       "merge them with reshape"};
    });
    return {with_matrix(batch, rows, columns), a.dtype(), a.device()};
  }
  Saved forward(Backend& on, core::Stream& s, const Tensor& a, const Tensor& b,
                const Tensor& out) const {
    const Shape batch = batch_of(out.shape());
    multiply(on, s, repeated(a.view(), batch), repeated(b.view(), batch), out.view());
    return {a, b};
  }
  void backward(Backend& on, core::Stream& s, const Saved& kept, const Tensor& g,
                Sinks& into) const {
    const Shape batch = batch_of(g.shape());
    const View a = repeated(kept[0], batch);
    const View b = repeated(kept[1], batch);
    if (into.wanted(0)) product_to(on, s, g.view(), transposed(b), kept[0].tensor(), into[0]);
    if (into.wanted(1)) product_to(on, s, transposed(a), g.view(), kept[1].tensor(), into[1]);
  }

 private:
  // out (+)= a b, summed over the batch axes along which `operand` was repeated.
  static void product_to(Backend& on, core::Stream& s, const View& a, const View& b,
                         const Tensor& operand, const Sink& out) {
    if (out.out.rank() == 2 && a.rank() == 2) {
      return on.gemm({.write = out.write, .a = a, .b = b, .out = out.out}, s);
    }
    const Shape shape =
        with_matrix(batch_of(a.sizes), a.sizes[a.rank() - 2], b.sizes[b.rank() - 1]);
    if (shape == operand.shape() && out.write == Write::store)
      return multiply(on, s, a, b, out.out);
    const Tensor wide = empty({shape, operand.dtype(), operand.device()});
    multiply(on, s, a, b, wide.view());
    detail::sum_to(on, s, wide.view(), out);
  }
};

void check_operands(const Tensor& a, const Tensor& b) {
  detail::check_floating("matmul", "a", a);
  detail::check_same_dtype("matmul", a, "b", b);
  const bool fits = a.rank() > 0 && b.rank() > 0 &&
                    a.shape()[a.rank() - 1] == b.shape()[b.rank() > 1 ? b.rank() - 2 : 0];
  check<ShapeError>(fits, [&] {
    return Complaint{
        fmt::format("matmul: shapes {} and {}", to_string(a.shape()), to_string(b.shape())),
        "give matrices [m, k] and [k, n], or vectors [k]"};
  });
}

// One matrix for a whole batch of contiguous ones: a single larger product.
Tensor shared_matrix(const Tensor& a, const Tensor& b) {
  Shape shape = a.shape();
  const std::int64_t depth = shape[a.rank() - 1];
  std::int64_t rows = 1;
  for (int axis = 0; axis + 1 < a.rank(); ++axis) rows *= shape[axis];
  shape[a.rank() - 1] = b.shape()[1];
  return reshape(apply(MatMul{}, reshape(a, {rows, depth}), b), shape);
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  check_operands(a, b);
  if (a.rank() == 1) return squeeze(matmul(unsqueeze(a, 0), b), b.rank() == 1 ? 0 : -2);
  if (b.rank() == 1) return squeeze(matmul(a, unsqueeze(b, 1)), -1);
  if (a.rank() > 2 && b.rank() == 2 && a.is_contiguous()) return shared_matrix(a, b);
  return apply(MatMul{}, a, b);
}

}  // namespace lockstep
