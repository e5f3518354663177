#include "src/ops/epilogue.h"

#include "lockstep/ops/pointwise.h"
#include "src/ops/pointwise.h"

namespace lockstep::detail {

using kernels::Activation;

bool has_slope_by_result(Activation activation) { return activation != Activation::gelu; }

namespace {

kernels::OpId op_of(Activation activation) {
  switch (activation) {
    case Activation::tanh:
      return pointwise_id<math::Tanh>;
    case Activation::sigmoid:
      return pointwise_id<math::Sigmoid>;
    default:
      return pointwise_id<math::Relu>;
  }
}

}  // namespace

Tensor before_activation(Backend& on, core::Stream& s, Activation activation, const View& y,
                         const Tensor& g) {
  if (activation == Activation::none) return g;
  Tensor result = empty(g.meta());
  on.pointwise({.op = op_of(activation),
                .pass = Pass::slope,
                .in = {View{}, y, g.view()},
                .out = result.view()},
               s);
  return result;
}

Activation fused(Activation activation, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Tensor* const inputs[] = {&x, &weight, &bias};
  const bool is_recorded = is_grad_enabled() && any_on_tape(inputs, 3);
  return is_recorded && !has_slope_by_result(activation) ? Activation::none : activation;
}

Tensor activate(Activation activation, const Tensor& x) {
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::relu:
      return relu(x);
    case Activation::gelu:
      return gelu(x);
    case Activation::tanh:
      return tanh(x);
    case Activation::sigmoid:
      return sigmoid(x);
  }
  return x;
}

}  // namespace lockstep::detail
