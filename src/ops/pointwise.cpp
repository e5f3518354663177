#include "lockstep/ops/pointwise.h"

#include <fmt/format.h>

#include "src/ops/pointwise.h"

namespace lockstep {
namespace {

namespace math = kernels::math;
using detail::Binary;
using detail::Unary;

template <class F> Tensor unary(const Tensor& x) { return apply(Unary<F>{}, x); }

template <class F> Tensor binary(const Tensor& a, const Tensor& b) {
  detail::check_defined(F::name, "a", a);
  detail::check_defined(F::name, "b", b);
  return apply(Binary<F>{a.shape(), b.shape()}, a, b);
}

// scale * x + shift, under the name of the op that the caller wrote with `number`.
Tensor affine(const char* op, const Tensor& x, double number, double scale, double shift) {
  detail::check_numeric(op, "x", x);
  detail::check_number(op, x, number);
  return apply(Unary<math::Affine>{{scale, shift}}, x);
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) { return binary<math::Add>(a, b); }
Tensor add(const Tensor& a, double b) { return affine("add", a, b, 1, b); }
Tensor add(double a, const Tensor& b) { return affine("add", b, a, 1, a); }
Tensor sub(const Tensor& a, const Tensor& b) { return binary<math::Sub>(a, b); }
Tensor sub(const Tensor& a, double b) { return affine("sub", a, b, 1, -b); }
Tensor sub(double a, const Tensor& b) { return affine("sub", b, a, -1, a); }
Tensor mul(const Tensor& a, const Tensor& b) { return binary<math::Mul>(a, b); }
Tensor mul(const Tensor& a, double b) { return affine("mul", a, b, b, 0); }
Tensor mul(double a, const Tensor& b) { return affine("mul", b, a, a, 0); }
Tensor div(const Tensor& a, const Tensor& b) { return binary<math::Div>(a, b); }
Tensor div(const Tensor& a, double b) {
  detail::check_floating("div", "a", a);
  return affine("div", a, b, 1 / b, 0);
}
Tensor div(double a, const Tensor& b) {
  detail::check_floating("div", "b", b);
  return apply(Unary<math::Reciprocal>{{a, 0}}, b);
}

Tensor neg(const Tensor& x) { return unary<math::Neg>(x); }
Tensor exp(const Tensor& x) { return unary<math::Exp>(x); }
Tensor log(const Tensor& x) { return unary<math::Log>(x); }
Tensor sqrt(const Tensor& x) { return unary<math::Sqrt>(x); }
Tensor relu(const Tensor& x) { return unary<math::Relu>(x); }
Tensor gelu(const Tensor& x) { return unary<math::Gelu>(x); }
Tensor tanh(const Tensor& x) { return unary<math::Tanh>(x); }
Tensor sigmoid(const Tensor& x) { return unary<math::Sigmoid>(x); }
Tensor silu(const Tensor& x) { return unary<math::Silu>(x); }
Tensor exact_gelu(const Tensor& x) { return unary<math::ExactGelu>(x); }
Tensor leaky_relu(const Tensor& x, double slope) {
  return apply(Unary<math::LeakyRelu>{{slope, 0}}, x);
}
Tensor elu(const Tensor& x, double alpha) { return apply(Unary<math::Elu>{{alpha, 0}}, x); }
Tensor clamp(const Tensor& x, double low, double high) {
  check<UsageError>(low <= high, [&] {
    return Complaint{fmt::format("clamp: from {} to {}", low, high), "let low be at most high"};
  });
  return apply(Unary<math::Clamp>{{low, high}}, x);
}

}  // namespace lockstep
