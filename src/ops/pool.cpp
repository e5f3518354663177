#include <fmt/format.h>

#include <algorithm>

#include "lockstep/ops/apply.h"
#include "lockstep/ops/conv.h"
#include "lockstep/ops/views.h"
#include "src/ops/checks.h"
#include "src/ops/window.h"

namespace lockstep {
namespace {

using kernels::Backend;
using kernels::Pass;
using kernels::PoolOp;

struct MaxPool {
  static constexpr const char* name = "max_pool2d";
  kernels::Window window;
  Extent after;  // the padding below and on the right

  Meta output(const Tensor& x) const {
    return {detail::windowed(name, x.shape(), window, after, x.shape()[3]), x.dtype(), x.device()};
  }
  Saved forward(Backend& on, core::Stream& s, const Tensor& x, const Tensor& y) const {
    const Tensor indices = empty({y.shape(), DType::i32, y.device()});
    on.pool({.op = PoolOp::max,
             .x = x.view(),
             .y = y.view(),
             .indices = indices.view(),
             .window = window},
            s);
    return {indices};
  }
  void backward(Backend& on, core::Stream& s, const Saved& kept, const Tensor& g, Sinks& dx) const {
    const Tensor arrived = contiguous(g);
    const Sink sink = dx[0];
    on.pool({.op = PoolOp::max,
             .pass = Pass::slope,
             .write = sink.write,
             .x = sink.out,
             .g = arrived.view(),
             .indices = kept[0],
             .window = window},
            s);
  }
};

struct AveragePool {
  static constexpr const char* name = "avg_pool2d";
  kernels::Window window;
  Extent after;
  bool counts_padding;

  Meta output(const Tensor& x) const {
    return {detail::windowed(name, x.shape(), window, after, x.shape()[3]), x.dtype(), x.device()};
  }
  Saved forward(Backend& on, core::Stream& s, const Tensor& x, const Tensor& y) const {
    on.pool({.op = PoolOp::average,
             .counts_padding = counts_padding,
             .x = x.view(),
             .y = y.view(),
             .window = window},
            s);
    return {};
  }
  void backward(Backend& on, core::Stream& s, const Saved&, const Tensor& g, Sinks& dx) const {
    const Tensor arrived = contiguous(g);
    const Sink sink = dx[0];
    on.pool({.op = PoolOp::average,
             .pass = Pass::slope,
             .write = sink.write,
             .counts_padding = counts_padding,
             .x = sink.out,
             .g = arrived.view(),
             .window = window},
            s);
  }
};

kernels::Window pool_window(const char* op, const Tensor& x, const PoolOptions& options) {
  detail::check_floating(op, "x", x);
  detail::check_rank(op, "x", x, 4, "[n, h, w, c]");
  const Extent stride{options.stride.height == 0 ? options.window.height : options.stride.height,
                      options.stride.width == 0 ? options.window.width : options.stride.width};
  const kernels::Window window = detail::window_of(op, options.window, stride, options.padding);
  const Extent before = options.padding.before, after = options.padding.after;
  const int rows = std::max(before.height, after.height);
  const int columns = std::max(before.width, after.width);
  check<UsageError>(2 * rows <= window.height && 2 * columns <= window.width, [&] {
    return Complaint{fmt::format("{}: padding {} x {} for a window of {} x {}", op, rows, columns,
                                 window.height, window.width),
                     "pad by at most half the window"};
  });
  return window;
}

}  // namespace

Tensor max_pool2d(const Tensor& x, const PoolOptions& options) {
  const MaxPool op{pool_window("max_pool2d", x, options), options.padding.after};
  return apply(op, contiguous(x));
}

Tensor avg_pool2d(const Tensor& x, const PoolOptions& options) {
  const AveragePool op{pool_window("avg_pool2d", x, options), options.padding.after,
                       options.counts_padding};
  return apply(op, contiguous(x));
}

}  // namespace lockstep
