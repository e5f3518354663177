#include "src/ops/in_place.h"

#include <fmt/format.h>

#include "lockstep/ops/pointwise.h"
#include "lockstep/tensor/views.h"
#include "src/ops/pointwise.h"

namespace lockstep {
namespace detail {

void check_target(const char* op, const Tensor& x) {
  check_defined(op, "x", x);
  check_in_place(op, x);
  bool is_repeated = false;
  for (int axis = 0; axis < x.rank(); ++axis) {
    is_repeated |= x.strides()[axis] == 0 && x.shape()[axis] > 1;
  }
  check<UsageError>(!is_repeated, [&] {
    return Complaint{fmt::format("{}: x has shape {} with strides {}: its elements share memory",
                                 op, to_string(x.shape()), to_string(x.strides())),
                     "write to a copy: clone(x)"};
  });
}

void check_source(const char* op, const Tensor& source) { check_constant(op, "b", source); }

Tensor unaliased(const Tensor& source, const Tensor& x) {
  const bool is_apart = !(source.storage() == x.storage());
  const bool is_same = source.offset() == x.offset() && source.shape() == x.shape() &&
                       source.strides() == x.strides();
  return is_apart || is_same ? source : copied(source);
}

}  // namespace detail

namespace {

namespace math = kernels::math;
using detail::broadcast_view;
using detail::pointwise_id;

template <class F>
const Tensor& in_place(const char* op, const Tensor& x, double first = 0, double second = 0) {
  detail::check_target(op, x);
  detail::check_operand<F>(op, "x", x);
  kernels::backend(x.device())
      .pointwise(
          {.op = pointwise_id<F>, .in = {x.view()}, .out = x.view(), .scalars = {first, second}},
          core::current_stream(x.device()));
  x.mark_mutated();
  return x;
}

template <class F> const Tensor& in_place(const char* op, const Tensor& x, const Tensor& b) {
  detail::check_target(op, x);
  detail::check_operand<F>(op, "x", x);
  detail::check_same_dtype(op, x, "b", b);
  detail::check_source(op, b);
  const Tensor* const both[] = {&x, &b};
  detail::check_same_device(op, both, 2);
  const Shape shape = broadcast(op, x.shape(), b.shape());
  check<ShapeError>(shape == x.shape(), [&] {
    return Complaint{fmt::format("{}: b of shape {} does not broadcast to x of shape {}", op,
                                 to_string(b.shape()), to_string(x.shape())),
                     "write to a larger tensor, or use the op without the underscore"};
  });
  const Tensor source = detail::unaliased(b, x);
  kernels::backend(x.device())
      .pointwise({.op = pointwise_id<F>,
                  .in = {x.view(), broadcast_view(source.view(), shape)},
                  .out = x.view()},
                 core::current_stream(x.device()));
  x.mark_mutated();
  return x;
}

// x = scale * x + shift, under the name of the op that the caller wrote with `number`.
const Tensor& affine(const char* op, const Tensor& x, double number, double scale, double shift) {
  detail::check_numeric(op, "x", x);
  detail::check_number(op, x, number);
  return in_place<math::Affine>(op, x, scale, shift);
}

}  // namespace

const Tensor& add_(const Tensor& x, const Tensor& b) { return in_place<math::Add>("add_", x, b); }
const Tensor& add_(const Tensor& x, double b) { return affine("add_", x, b, 1, b); }
const Tensor& sub_(const Tensor& x, const Tensor& b) { return in_place<math::Sub>("sub_", x, b); }
const Tensor& sub_(const Tensor& x, double b) { return affine("sub_", x, b, 1, -b); }
const Tensor& mul_(const Tensor& x, const Tensor& b) { return in_place<math::Mul>("mul_", x, b); }
const Tensor& mul_(const Tensor& x, double b) { return affine("mul_", x, b, b, 0); }
const Tensor& div_(const Tensor& x, const Tensor& b) { return in_place<math::Div>("div_", x, b); }
const Tensor& div_(const Tensor& x, double b) {
  detail::check_floating("div_", "x", x);
  return affine("div_", x, b, 1 / b, 0);
}
const Tensor& neg_(const Tensor& x) { return in_place<math::Neg>("neg_", x); }
const Tensor& exp_(const Tensor& x) { return in_place<math::Exp>("exp_", x); }
const Tensor& log_(const Tensor& x) { return in_place<math::Log>("log_", x); }
const Tensor& sqrt_(const Tensor& x) { return in_place<math::Sqrt>("sqrt_", x); }
const Tensor& relu_(const Tensor& x) { return in_place<math::Relu>("relu_", x); }
const Tensor& gelu_(const Tensor& x) { return in_place<math::Gelu>("gelu_", x); }
const Tensor& tanh_(const Tensor& x) { return in_place<math::Tanh>("tanh_", x); }
const Tensor& sigmoid_(const Tensor& x) { return in_place<math::Sigmoid>("sigmoid_", x); }

}  // namespace lockstep
