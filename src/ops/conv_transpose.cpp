#include <fmt/format.h>

#include "lockstep/autograd/parameter.h"
#include "lockstep/ops/apply.h"
#include "lockstep/ops/conv.h"
#include "lockstep/ops/views.h"
#include "src/ops/checks.h"
#include "src/ops/epilogue.h"
#include "src/ops/pointwise.h"
#include "src/ops/strided.h"
#include "src/ops/window.h"

namespace lockstep {
namespace {

using kernels::Backend;
using kernels::ConvPass;

// The passes of a convolution in other roles: what is its input there is the result here.
struct ConvTranspose2d {
  static constexpr const char* name = "conv_transpose2d";
  kernels::Window window;
  Extent after;
  std::uint64_t weight_key;

  Meta output(const Tensor& x, const Tensor& weight, const Tensor&) const {
    const Shape& in = x.shape();
    return {{in[0],
             (in[1] - 1) * window.stride_height + window.height - window.pad_height - after.height,
             (in[2] - 1) * window.stride_width + window.width - window.pad_width - after.width,
             weight.shape()[3]},
            x.dtype(),
            x.device()};
  }
  Saved forward(Backend& on, core::Stream& s, const Tensor& x, const Tensor& weight,
                const Tensor& bias, const Tensor& y) const {
    on.conv({.pass = ConvPass::data,
             .x = y.view(),
             .weight = weight.view(),
             .g = x.view(),
             .window = window,
             .weight_key = weight_key,
             .weight_version = weight.storage()->version()},
            s);
    if (bias.is_defined()) {
      const View each = detail::broadcast_view(bias.view(), y.shape());
      on.pointwise(
          {.op = detail::pointwise_id<kernels::math::Add>, .in = {y.view(), each}, .out = y.view()},
          s);
    }
    return {x, weight};
  }
  void backward(Backend& on, core::Stream& s, const Saved& kept, const Tensor& g,
                Sinks& into) const {
    const Tensor arrived = contiguous(g);
    if (into.wanted(0)) {
      const Sink dx = into[0];
      on.conv({.pass = ConvPass::value,
               .write = dx.write,
               .x = arrived.view(),
               .weight = kept[1],
               .y = dx.out,
               .window = window,
               .weight_key = weight_key,
               .weight_version = kept[1].tensor().storage()->version()},
              s);
    }
    if (into.wanted(2)) detail::sum_to(on, s, arrived.view(), into[2]);
    if (!into.wanted(1)) return;
    const Sink weight = into[1];
    on.conv({.pass = ConvPass::weight,
             .write = weight.write,
             .x = arrived.view(),
             .weight = weight.out,
             .g = kept[0],
             .window = window},
            s);
  }
};

void check_arguments(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const char* const name = ConvTranspose2d::name;
  detail::check_floating(name, "x", x);
  detail::check_rank(name, "x", x, 4, "[n, h, w, c]");
  detail::check_same_dtype(name, x, "weight", weight);
  detail::check_rank(name, "weight", weight, 4, "[in, kh, kw, out]");
  check<ShapeError>(x.shape()[3] == weight.shape()[0], [&] {
    return Complaint{fmt::format("{}: x has shape {}, weight {}: the channels differ", name,
                                 to_string(x.shape()), to_string(weight.shape())),
                     "lay x out as [n, h, w, c] and the weight as [c, kh, kw, out]"};
  });
  if (!bias.is_defined()) return;
  detail::check_same_dtype(name, x, "bias", bias);
  detail::check_shape(name, "bias", bias, {weight.shape()[3]});
}

kernels::Window window_for(const Tensor& weight, const ConvTranspose2dOptions& options) {
  const Extent kernel{static_cast<int>(weight.shape()[1]), static_cast<int>(weight.shape()[2])};
  const Extent before = options.padding.before, after = options.padding.after;
  check<UsageError>(
      after.height > -options.stride.height && after.width > -options.stride.width, [&] {
        return Complaint{
            fmt::format("conv_transpose2d: padding {} x {} after, stride {} x {}", after.height,
                        after.width, options.stride.height, options.stride.width),
            "add less than a stride below and on the right"};
      });
  return detail::window_of(ConvTranspose2d::name, kernel, options.stride, before);
}

void check_result(const Shape& result, const Tensor& x) {
  check<ShapeError>(result[1] > 0 && result[2] > 0, [&] {
    return Complaint{fmt::format("conv_transpose2d: images {} become {}", to_string(x.shape()),
                                 to_string(result)),
                     "use less padding or a larger kernel"};
  });
}

}  // namespace

Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const ConvTranspose2dOptions& options) {
  check_arguments(x, weight, bias);
  const ConvTranspose2d op{window_for(weight, options), options.padding.after, packing_key(weight)};
  check_result(op.output(x, weight, bias).shape, x);
  return detail::activate(options.activation, apply(op, contiguous(x), contiguous(weight), bias));
}

}  // namespace lockstep
