#include <fmt/format.h>

#include "lockstep/ops/apply.h"
#include "lockstep/ops/conv.h"
#include "lockstep/tensor/views.h"
#include "src/ops/checks.h"

namespace lockstep {
namespace {

using kernels::Backend;

struct Pad2d {
  static constexpr const char* name = "pad2d";
  Pad2dOptions margin;

  // The images within `y`.
  Tensor inner(const Tensor& y) const {
    const Extent &before = margin.before, &after = margin.after;
    const Tensor rows = sliced_view(y, 1, before.height, y.size(1) - after.height);
    return sliced_view(rows, 2, before.width, y.size(2) - after.width);
  }
  Meta output(const Tensor& x) const {
    const Shape& sizes = x.shape();
    return {{sizes[0], sizes[1] + margin.before.height + margin.after.height,
             sizes[2] + margin.before.width + margin.after.width, sizes[3]},
            x.dtype(),
            x.device()};
  }
  Saved forward(Backend& on, core::Stream& s, const Tensor& x, const Tensor& y) const {
    fill_elements(y, margin.value);
    on.copy({.in = x.view(), .out = inner(y).view()}, s);
    return {};
  }
  void backward(Backend& on, core::Stream& s, const Saved&, const Tensor& g, Sinks& dx) const {
    const Sink sink = dx[0];
    on.copy({.write = sink.write, .in = inner(g).view(), .out = sink.out}, s);
  }
};

}  // namespace

Tensor pad2d(const Tensor& x, const Pad2dOptions& options) {
  detail::check_floating("pad2d", "x", x);
  detail::check_rank("pad2d", "x", x, 4, "[n, h, w, c]");
  const Extent &before = options.before, &after = options.after;
  const bool is_valid =
      before.height >= 0 && before.width >= 0 && after.height >= 0 && after.width >= 0;
  check<UsageError>(is_valid, [&] {
    return Complaint{fmt::format("pad2d: {} x {} before, {} x {} after", before.height,
                                 before.width, after.height, after.width),
                     "give margins of at least 0; slice() takes rows and columns off"};
  });
  return apply(Pad2d{options}, x);
}

}  // namespace lockstep
