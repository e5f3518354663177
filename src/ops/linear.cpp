#include <fmt/format.h>

#include "lockstep/autograd/parameter.h"
#include "lockstep/ops/apply.h"
#include "lockstep/ops/linalg.h"
#include "lockstep/ops/views.h"
#include "src/ops/checks.h"
#include "src/ops/epilogue.h"
#include "src/ops/strided.h"

namespace lockstep {
namespace {

using detail::transposed;
using kernels::Backend;

struct Linear {
  static constexpr const char* name = "linear";
  static constexpr bool writes_f32_gradients = true;
  Activation activation;
  std::uint64_t weight_key;

  Meta output(const Tensor& x, const Tensor& weight, const Tensor&) const {
    return {{x.shape()[0], weight.shape()[0]}, x.dtype(), x.device()};
  }
  Saved forward(Backend& on, core::Stream& s, const Tensor& x, const Tensor& weight,
                const Tensor& bias, const Tensor& y) const {
    on.gemm({.activation = activation,
             .a = x.view(),
             .b = transposed(weight.view()),
             .bias = bias.is_defined() ? bias.view() : View{},
             .out = y.view(),
             .weight_key = weight_key,
             .weight_version = weight.storage()->version()},
            s);
    if (activation == Activation::none) return {x, weight};
    return {x, weight, y};
  }
  void backward(Backend& on, core::Stream& s, const Saved& kept, const Tensor& g,
                Sinks& into) const {
    const Tensor before = detail::before_activation(on, s, activation, kept[2], g);
    if (into.wanted(1)) {
      const Sink sink = into[1];
      on.gemm({.write = sink.write, .a = transposed(before.view()), .b = kept[0], .out = sink.out},
              s);
    }
    if (into.wanted(2)) detail::sum_to(on, s, before.view(), into[2]);
    if (into.wanted(0)) {
      const Sink sink = into[0];
      on.gemm({.write = sink.write,
               .a = before.view(),
               .b = kept[1],
               .out = sink.out,
               .weight_key = weight_key,
               .weight_version = kept[1].tensor().storage()->version()},
              s);
    }
  }
};

void check_arguments(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  detail::check_floating("linear", "x", x);
  detail::check_same_dtype("linear", x, "weight", weight);
  detail::check_rank("linear", "weight", weight, 2, "[out, in]");
  check<ShapeError>(x.rank() > 0 && x.shape()[x.rank() - 1] == weight.shape()[1], [&] {
    return Complaint{
        fmt::format("linear: x has shape {}, weight {}: the last sizes differ",
                    to_string(x.shape()), to_string(weight.shape())),
        fmt::format("give x {} features, or the weight [out, in] as many", weight.shape()[1])};
  });
  if (!bias.is_defined()) return;
  detail::check_same_dtype_or_f32("linear", x, "bias", bias);
  detail::check_shape("linear", "bias", bias, {weight.shape()[0]});
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, Activation activation) {
  check_arguments(x, weight, bias);
  const Activation fused = detail::fused(activation, x, weight, bias);
  const Linear op{fused, packing_key(weight)};
  const auto finished = [&](const Tensor& y) {
    return fused == activation ? y : detail::activate(activation, y);
  };
  if (x.rank() == 2) return finished(apply(op, x, weight, bias));
  Shape shape = x.shape();
  std::int64_t rows = 1;
  for (int axis = 0; axis + 1 < x.rank(); ++axis) rows *= shape[axis];
  shape[x.rank() - 1] = weight.shape()[0];
  const Tensor y = apply(op, reshape(x, {rows, weight.shape()[1]}), weight, bias);
  return finished(reshape(y, shape));
}

}  // namespace lockstep
