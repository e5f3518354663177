#include "lockstep/ops/index.h"

#include <fmt/format.h>

#include "lockstep/ops/apply.h"
#include "lockstep/ops/views.h"
#include "lockstep/tensor/views.h"
#include "src/ops/checks.h"
#include "src/ops/strided.h"

namespace lockstep {
namespace {

using kernels::Backend;

// Rows of a table by a list of numbers.
struct Gather {
  static constexpr const char* name = "gather";

  Meta output(const Tensor& table, const Tensor& index) const {
    Shape shape = table.shape();
    shape[0] = index.shape()[0];
    return {shape, table.dtype(), table.device()};
  }
  Saved forward(Backend& on, core::Stream& s, const Tensor& table, const Tensor& index,
                const Tensor& rows) const {
    on.gather({table.view(), index.view(), rows.view()}, s);
    return {index};
  }
  void backward(Backend& on, core::Stream& s, const Saved& kept, const Tensor& g,
                Sinks& into) const {
    if (!into.wanted(0)) return;
    const Sink sink = into[0];
    if (sink.write == kernels::Write::store) detail::fill(on, s, sink.out, 0);
    on.scatter_add({sink.out, kept[0], g.view()}, s);
  }
};

}  // namespace

Tensor gather(const Tensor& table, const Tensor& index) {
  detail::check_defined("gather", "table", table);
  detail::check_index("gather", "index", index);
  check<ShapeError>(table.rank() > 0 && table.rank() - 1 + index.rank() <= max_rank, [&] {
    return Complaint{
        fmt::format("gather: a table of shape {} by an index of shape {}", to_string(table.shape()),
                    to_string(index.shape())),
        fmt::format("give the table at least 1 axis, and the result at most {}", max_rank)};
  });
  detail::check_indices("gather", "index", index, table.shape()[0]);
  if (index.rank() == 1) return apply(Gather{}, table, index);
  Shape shape = index.shape();
  for (int axis = 1; axis < table.rank(); ++axis) shape.append(table.shape()[axis]);
  return reshape(apply(Gather{}, table, reshape(index, {index.elements()})), shape);
}

Tensor one_hot(const Tensor& index, std::int64_t classes, DType dtype) {
  detail::check_index("one_hot", "index", index);
  check<UsageError>(classes > 0, [&] {
    return Complaint{fmt::format("one_hot: {} classes", classes), "give at least 1 class"};
  });
  detail::check_indices("one_hot", "index", index, classes);
  Shape shape = index.shape();
  shape.append(classes);
  Tensor hot = empty({shape, dtype, index.device()});
  const Tensor one = full({}, 1, {.dtype = dtype, .device = index.device()});
  const View position = detail::with_axes(index.view(), 1U << index.rank(), index.rank() + 1);
  kernels::backend(index.device())
      .pick({.axis = index.rank(),
             .index = position,
             .g = detail::broadcast_view(one.view(), position.sizes),
             .out = hot.view()},
            core::current_stream(index.device()));
  return hot;
}

}  // namespace lockstep
