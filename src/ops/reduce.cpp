#include "lockstep/ops/reduce.h"

#include <fmt/format.h>

#include "lockstep/ops/apply.h"
#include "lockstep/ops/views.h"
#include "lockstep/tensor/views.h"
#include "src/ops/checks.h"
#include "src/ops/strided.h"

namespace lockstep {

Axes::Axes(std::initializer_list<int> axes) : count_(static_cast<int>(axes.size())) {
  check<ShapeError>(count_ <= max_rank, [&] {
    return Complaint{fmt::format("axes: {} of them, a tensor has at most {}", count_, max_rank),
                     "name each axis once"};
  });
  std::copy(axes.begin(), axes.end(), axes_);
}

unsigned Axes::mask(const char* op, int rank) const {
  if (count_ < 0) return (1U << rank) - 1;
  unsigned mask = 0;
  for (int i = 0; i < count_; ++i) {
    const unsigned bit = 1U << normalized_axis(op, axes_[i], rank);
    check<ShapeError>((mask & bit) == 0, [&] {
      return Complaint{fmt::format("{}: axis {} is named twice", op, axes_[i]),
                       "name each axis once"};
    });
    mask |= bit;
  }
  return mask;
}

namespace {

using kernels::Backend;
using kernels::ReduceOp;

// Which axes go, of a tensor of which shape.
struct Reduced {
  unsigned mask;
  bool keep_dims;
  Shape from;

  bool covers(int axis) const { return (mask >> axis & 1U) != 0; }
  Shape shape() const {
    Shape kept;
    for (int axis = 0; axis < from.rank(); ++axis) {
      if (!covers(axis))
        kept.append(from[axis]);
      else if (keep_dims)
        kept.append(1);
    }
    return kept;
  }
  std::int64_t elements() const {
    std::int64_t product = 1;
    for (int axis = 0; axis < from.rank(); ++axis) product *= covers(axis) ? from[axis] : 1;
    return product;
  }
  // The result's elements with all axes of the input, the reduced ones of size 1.
  View aligned(const View& result) const {
    return keep_dims ? result : detail::with_axes(result, mask, from.rank());
  }
};

Reduced reduced(const char* op, const Tensor& x, const Axes& axes, const ReduceOptions& options) {
  detail::check_defined(op, "x", x);
  return {axes.mask(op, x.rank()), options.keep_dims, x.shape()};
}

struct Sum {
  static constexpr const char* name = "sum";
  Reduced axes;
  double scale = 1;

  Meta output(const Tensor& x) const {
    return {axes.shape(), is_floating(x.dtype()) ? x.dtype() : DType::i64, x.device()};
  }
  Saved forward(Backend& on, core::Stream& s, const Tensor& x, const Tensor& y) const {
    on.reduce({.op = ReduceOp::sum, .in = x.view(), .out = axes.aligned(y.view()), .scale = scale},
              s);
    return {};
  }
  void backward(Backend& on, core::Stream& s, const Saved&, const Tensor& g, Sinks& dx) const {
    const Sink sink = dx[0];
    on.copy({.write = sink.write,
             .in = detail::broadcast_view(axes.aligned(g.view()), axes.from),
             .out = sink.out,
             .scale = scale},
            s);
  }
};

// Keeps the positions only where a gradient will be wanted.
struct Max {
  static constexpr const char* name = "max";
  Reduced axes;
  int axis;

  Meta output(const Tensor& x) const { return {axes.shape(), x.dtype(), x.device()}; }
  Saved forward(Backend& on, core::Stream& s, const Tensor& x, const Tensor& y) const {
    on.reduce({.op = ReduceOp::max, .in = x.view(), .out = axes.aligned(y.view())}, s);
    if (!is_grad_enabled() || !x.requires_grad()) return {};
    const Tensor index = empty({y.shape(), DType::i64, y.device()});
    on.reduce({.op = ReduceOp::argmax, .in = x.view(), .out = axes.aligned(index.view())}, s);
    return {index};
  }
  void backward(Backend& on, core::Stream& s, const Saved& kept, const Tensor& g, Sinks& dx) const {
    const Sink sink = dx[0];
    on.pick({.write = sink.write,
             .axis = axis,
             .index = axes.aligned(kept[0]),
             .g = axes.aligned(g.view()),
             .out = sink.out},
            s);
  }
};

void check_some(const char* op, const Reduced& axes) {
  check<ShapeError>(axes.elements() > 0 || axes.shape().elements() == 0, [&] {
    return Complaint{fmt::format("{}: of no elements, shape {}", op, to_string(axes.from)),
                     "reduce over axes with at least one element"};
  });
}

// `x` with the covered axes merged into one, the last.
Tensor merged_last(const Tensor& x, const Reduced& axes) {
  Shape order, shape;
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (axes.covers(axis)) continue;
    order.append(axis);
    shape.append(x.shape()[axis]);
  }
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (axes.covers(axis)) order.append(axis);
  }
  shape.append(axes.elements());
  return reshape(permute(x, order), shape);
}

int only_axis(unsigned mask) {
  int axis = 0;
  while ((mask >> axis & 1U) == 0) ++axis;
  return axis;
}

}  // namespace

Tensor sum(const Tensor& x, const Axes& axes, const ReduceOptions& options) {
  return apply(Sum{reduced("sum", x, axes, options)}, x);
}

Tensor mean(const Tensor& x, const Axes& axes, const ReduceOptions& options) {
  detail::check_floating("mean", "x", x);
  const Reduced over = reduced("mean", x, axes, options);
  return apply(Sum{over, 1.0 / static_cast<double>(over.elements())}, x);
}

Tensor max(const Tensor& x, const Axes& axes, const ReduceOptions& options) {
  detail::check_numeric("max", "x", x);
  const Reduced over = reduced("max", x, axes, options);
  check_some("max", over);
  const bool is_single = over.mask != 0 && (over.mask & (over.mask - 1)) == 0;
  if (is_single) return apply(Max{over, only_axis(over.mask)}, x);
  return reshape(max(merged_last(x, over), -1), over.shape());
}

Tensor argmax(const Tensor& x, int axis, const ReduceOptions& options) {
  detail::check_numeric("argmax", "x", x);
  const Reduced over = reduced("argmax", x, axis, options);
  check_some("argmax", over);
  Tensor index = empty({over.shape(), DType::i64, x.device()});
  kernels::backend(x.device())
      .reduce({.op = ReduceOp::argmax, .in = x.view(), .out = over.aligned(index.view())},
              core::current_stream(x.device()));
  return index;
}

Tensor argmax(const Tensor& x) {
  detail::check_numeric("argmax", "x", x);
  const NoGrad quiet;
  return argmax(reshape(x, {-1}), 0);
}

}  // namespace lockstep
