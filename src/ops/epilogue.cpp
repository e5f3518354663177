#include "src/ops/epilogue.h"

#include "kernels/math/activation.h"
#include "src/ops/pointwise.h"

namespace lockstep::detail {

using kernels::Activation;

bool has_slope_by_result(Activation activation) { return activation != Activation::gelu; }

Tensor before_activation(Backend& on, core::Stream& s, Activation activation, const View& y,
                         const Tensor& g) {
  if (activation == Activation::none) return g;
  Tensor result = empty(g.meta());
  math::with_activation(activation, [&]<class F>(F) {
    on.pointwise({.op = pointwise_id<F>,
                  .pass = Pass::slope,
                  .in = {View{}, y, g.view()},
                  .out = result.view()},
                 s);
  });
  return result;
}

Activation fused(Activation activation, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Tensor* const inputs[] = {&x, &weight, &bias};
  const bool is_recorded = is_grad_enabled() && any_on_tape(inputs, 3);
  return is_recorded && !has_slope_by_result(activation) ? Activation::none : activation;
}

Tensor activate(Activation activation, const Tensor& x) {
  Tensor y = x;
  math::with_activation(activation, [&]<class F>(F) { y = apply(Unary<F>{}, x); });
  return y;
}

}  // namespace lockstep::detail
