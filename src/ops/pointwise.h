// The one template per arity that turns a struct of kernels/math/pointwise.h into an op with a
// tape.
#pragma once

#include "kernels/math/pointwise.h"
#include "lockstep/ops/apply.h"
#include "src/ops/checks.h"
#include "src/ops/strided.h"

namespace lockstep::detail {

namespace math = kernels::math;
using kernels::Backend;
using kernels::Pass;
using kernels::Write;

template <class F> inline constexpr kernels::OpId pointwise_id = math::Pointwise::id_of<F>();

// What integers are good for too.
template <class F>
inline constexpr bool takes_integers =
    std::is_same_v<F, math::Neg> || std::is_same_v<F, math::Affine> ||
    std::is_same_v<F, math::Add> || std::is_same_v<F, math::Sub> || std::is_same_v<F, math::Mul>;

template <class F> void check_operand(const char* op, const char* argument, const Tensor& x) {
  if constexpr (takes_integers<F>) {
    check_numeric(op, argument, x);
  } else {
    check_floating(op, argument, x);
  }
}

template <class F> Saved saved_for_slopes(const Tensor& a, const Tensor& b, const Tensor& out) {
  if constexpr (F::uses_input && F::uses_output) return {a, b, out};
  if constexpr (F::uses_input) return {a, b};
  if constexpr (F::uses_output) return {autograd::SavedTensor(), autograd::SavedTensor(), out};
  return {};
}

template <class F> struct Unary {
  static_assert(pointwise_id<F> >= 0 && F::inputs == 1);
  static constexpr const char* name = F::name;
  double scalars[2] = {};

  Meta output(const Tensor& x) const {
    check_operand<F>(name, "x", x);
    return x.meta();
  }
  Saved forward(Backend& on, core::Stream& s, const Tensor& x, const Tensor& y) const {
    on.pointwise({.op = pointwise_id<F>,
                  .in = {x.view()},
                  .out = y.view(),
                  .scalars = {scalars[0], scalars[1]}},
                 s);
    if constexpr (F::uses_input && F::uses_output) return {x, y};
    if constexpr (F::uses_input) return {x};
    if constexpr (F::uses_output) return {autograd::SavedTensor(), y};
    return {};
  }
  void backward(Backend& on, core::Stream& s, const Saved& kept, const Tensor& g, Sinks& dx) const {
    if (is_identity()) return dx.give(0, g);
    const Sink sink = dx[0];
    on.pointwise({.op = pointwise_id<F>,
                  .pass = Pass::slope,
                  .write = sink.write,
                  .in = {kept[0], kept[1], g.view()},
                  .out = sink.out,
                  .scalars = {scalars[0], scalars[1]}},
                 s);
  }

 private:
  // A slope of 1 everywhere: the gradient passes through untouched.
  bool is_identity() const {
    if constexpr (F::uses_input || F::uses_output) return false;
    return F::slope(0., 0., math::Scalars{{scalars[0], scalars[1]}}) == 1;
  }
};

template <class F> struct Binary {
  static_assert(pointwise_id<F> >= 0 && F::inputs == 2);
  static constexpr const char* name = F::name;
  Shape a, b;  // the inputs' shapes

  Meta output(const Tensor& x, const Tensor& y) const {
    check_operand<F>(name, "a", x);
    check_same_dtype(name, x, "b", y);
    if (x.shape() == y.shape()) return x.meta();
    return {broadcast(name, x.shape(), y.shape()), x.dtype(), x.device()};
  }
  Saved forward(Backend& on, core::Stream& s, const Tensor& x, const Tensor& y,
                const Tensor& out) const {
    on.pointwise(
        {.op = pointwise_id<F>,
         .in = {broadcast_view(x.view(), out.shape()), broadcast_view(y.view(), out.shape())},
         .out = out.view()},
        s);
    return saved_for_slopes<F>(x, y, out);
  }
  void backward(Backend& on, core::Stream& s, const Saved& kept, const Tensor& g,
                Sinks& into) const {
    if (into.wanted(0)) side<Pass::slope>(on, s, kept, g, into, 0, a);
    if (into.wanted(1)) side<Pass::slope_b>(on, s, kept, g, into, 1, b);
  }

 private:
  template <Pass pass>
  void side(Backend& on, core::Stream& s, const Saved& kept, const Tensor& g, Sinks& into,
            int input, const Shape& shape) const {
    const bool is_broadcast = shape != g.shape();
    if constexpr (!F::uses_input && !F::uses_output) {
      const double constant = pass == Pass::slope ? F::slope_a(0., 0., 0.) : F::slope_b(0., 0., 0.);
      if (is_broadcast) return sum_to(on, s, g.view(), into[input], constant);
      if (constant == 1) return into.give(input, g);
    }
    if (!is_broadcast) return slope<pass>(on, s, kept, g, into[input]);
    const Tensor wide = empty(g.meta());
    slope<pass>(on, s, kept, g, {wide.view(), Write::store});
    sum_to(on, s, wide.view(), into[input]);
  }
  template <Pass pass>
  void slope(Backend& on, core::Stream& s, const Saved& kept, const Tensor& g,
             const Sink& sink) const {
    const auto wide = [&](const autograd::SavedTensor& x) {
      return x.is_defined() ? broadcast_view(x, g.shape()) : View{};
    };
    on.pointwise({.op = pointwise_id<F>,
                  .pass = pass,
                  .write = sink.write,
                  .in = {wide(kept[0]), wide(kept[1]), kept[2], g.view()},
                  .out = sink.out},
                 s);
  }
};

}  // namespace lockstep::detail
