#include "lockstep/ops/conv.h"

#include <fmt/format.h>

#include "lockstep/autograd/parameter.h"
#include "lockstep/ops/apply.h"
#include "lockstep/ops/views.h"
#include "lockstep/tensor/views.h"
#include "src/ops/checks.h"
#include "src/ops/conv_forms.h"
#include "src/ops/epilogue.h"
#include "src/ops/window.h"

namespace lockstep {
namespace {

using kernels::Backend;
using kernels::ConvPass;

struct Conv2d {
  static constexpr const char* name = "conv2d";
  static constexpr bool writes_f32_gradients = true;
  kernels::Window window;
  Extent after;  // the padding below and on the right
  Activation activation;
  std::uint64_t weight_key;

  Meta output(const Tensor& x, const Tensor& weight, const Tensor&) const {
    return {detail::windowed(name, x.shape(), window, after, weight.shape()[0]), x.dtype(),
            x.device()};
  }
  Saved forward(Backend& on, core::Stream& s, const Tensor& x, const Tensor& weight,
                const Tensor& bias, const Tensor& y) const {
    on.conv({.pass = ConvPass::value,
             .activation = activation,
             .x = x.view(),
             .weight = weight.view(),
             .bias = bias.is_defined() ? bias.view() : View{},
             .y = y.view(),
             .window = window,
             .weight_key = weight_key,
             .weight_version = weight.storage()->version()},
            s);
    if (activation == Activation::none) return {x, weight};
    return {x, weight, y};
  }
  void backward(Backend& on, core::Stream& s, const Saved& kept, const Tensor& g,
                Sinks& into) const {
    const Tensor arrived = g.is_contiguous() ? g : copied(g);
    if (into.wanted(1) || into.wanted(2)) weight_gradient(on, s, kept, arrived, into);
    if (!into.wanted(0)) return;
    const Sink sink = into[0];
    on.conv({.pass = ConvPass::data,
             .write = sink.write,
             .activation = activation,
             .x = sink.out,
             .weight = kept[1],
             .y = kept[2],
             .g = arrived.view(),
             .window = window,
             .weight_key = weight_key,
             .weight_version = kept[1].tensor().storage()->version()},
            s);
  }

 private:
  void weight_gradient(Backend& on, core::Stream& s, const Saved& kept, const Tensor& g,
                       Sinks& into) const {
    Tensor unwanted;  // the pass writes both
    Sink weight, bias;
    if (into.wanted(1)) {
      weight = into[1];
    } else {
      unwanted = empty(kept[1].tensor().meta());
      weight.out = unwanted.view();
    }
    if (into.wanted(2)) bias = into[2];
    on.conv({.pass = ConvPass::weight,
             .write = weight.write,
             .bias_write = bias.write,
             .activation = activation,
             .x = kept[0],
             .weight = weight.out,
             .bias = bias.out,
             .y = kept[2],
             .g = g.view(),
             .window = window},
            s);
  }
};

void check_groups(const Tensor& x, const Tensor& weight, int groups) {
  check<UsageError>(groups >= 1 && weight.shape()[0] % groups == 0, [&] {
    return Complaint{
        fmt::format("conv2d: {} groups for {} output channels", groups, weight.shape()[0]),
        "use a number of groups that divides the input's and the output's channels"};
  });
  check<ShapeError>(x.shape()[3] == groups * weight.shape()[3], [&] {
    const std::string in = groups == 1 ? "" : fmt::format(" in {} groups", groups);
    return Complaint{fmt::format("conv2d: x has shape {}, weight {}{}: the channels differ",
                                 to_string(x.shape()), to_string(weight.shape()), in),
                     groups == 1 ? "lay x out as [n, h, w, c] and the weight as [out, kh, kw, c]"
                                 : "lay the weight out as [out, kh, kw, c / groups]"};
  });
}

void check_arguments(const Tensor& x, const Tensor& weight, const Tensor& bias, int groups) {
  detail::check_floating("conv2d", "x", x);
  detail::check_rank("conv2d", "x", x, 4, "[n, h, w, c]");
  detail::check_same_dtype("conv2d", x, "weight", weight);
  detail::check_rank("conv2d", "weight", weight, 4, "[out, kh, kw, in]");
  check_groups(x, weight, groups);
  if (!bias.is_defined()) return;
  detail::check_same_dtype_or_f32("conv2d", x, "bias", bias);
  detail::check_shape("conv2d", "bias", bias, {weight.shape()[0]});
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
              const Conv2dOptions& options) {
  check_arguments(x, weight, bias, options.groups);
  const bool is_dilated = options.dilation.height != 1 || options.dilation.width != 1;
  if (is_dilated) return detail::dilated_conv2d(x, weight, bias, options);
  const bool is_depthwise = weight.shape()[3] == 1 && options.groups == weight.shape()[0];
  if (options.groups > 1 && !is_depthwise) {
    return detail::grouped_conv2d(x, weight, bias, options);
  }
  const kernels::Window window = detail::window_of(
      "conv2d", {static_cast<int>(weight.shape()[1]), static_cast<int>(weight.shape()[2])},
      options.stride, options.padding);
  const Activation fused = detail::fused(options.activation, x, weight, bias);
  const Tensor y =
      apply(Conv2d{window, options.padding.after, fused, packing_key(weight)}, contiguous(x),
            contiguous(weight), bias.is_defined() ? contiguous(bias) : bias);
  return fused == options.activation ? y : detail::activate(options.activation, y);
}

}  // namespace lockstep
