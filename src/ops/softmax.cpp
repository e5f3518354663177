#include "lockstep/ops/apply.h"
#include "lockstep/ops/rows.h"
#include "src/ops/checks.h"
#include "src/ops/rows.h"

namespace lockstep {
namespace {

namespace math = kernels::math;
using kernels::Backend;
using kernels::Pass;

// Softmax and its logarithm: both keep their result alone.
template <class F> struct AlongAxis {
  static constexpr const char* name = F::name;
  int axis;

  Meta output(const Tensor& x) const { return x.meta(); }
  Saved forward(Backend& on, core::Stream& s, const Tensor& x, const Tensor& y) const {
    on.rows({.op = detail::rows_id<F>, .axis = axis, .in = {x.view()}, .out = {y.view()}}, s);
    return {y};
  }
  void backward(Backend& on, core::Stream& s, const Saved& kept, const Tensor& g, Sinks& dx) const {
    const Sink sink = dx[0];
    on.rows({.op = detail::rows_id<F>,
             .pass = Pass::slope,
             .write = sink.write,
             .axis = axis,
             .in = {kept[0], g.view()},
             .out = {sink.out}},
            s);
  }
};

template <class F> Tensor along_axis(const Tensor& x, int axis) {
  detail::check_floating(F::name, "x", x);
  return apply(AlongAxis<F>{normalized_axis(F::name, axis, x.rank())}, x);
}

}  // namespace

Tensor softmax(const Tensor& x, int axis) { return along_axis<math::Softmax>(x, axis); }
Tensor log_softmax(const Tensor& x, int axis) { return along_axis<math::LogSoftmax>(x, axis); }

}  // namespace lockstep
