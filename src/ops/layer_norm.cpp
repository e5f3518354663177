#include <fmt/format.h>

#include "lockstep/ops/apply.h"
#include "lockstep/ops/norm.h"
#include "lockstep/ops/views.h"
#include "src/ops/checks.h"
#include "src/ops/pointwise.h"
#include "src/ops/rows.h"
#include "src/ops/strided.h"

namespace lockstep {
namespace {

namespace math = kernels::math;
using detail::as_rows;
using detail::pointwise_id;
using kernels::Backend;
using kernels::Pass;
using kernels::RowsCall;

struct LayerNorm {
  static constexpr const char* name = "layer_norm";
  double epsilon;

  Meta output(const Tensor& x, const Tensor&, const Tensor&) const { return x.meta(); }
  Saved forward(Backend& on, core::Stream& s, const Tensor& x, const Tensor& weight,
                const Tensor& bias, const Tensor& y) const {
    normalize(on, s, x.view(), view_of(weight), view_of(bias), y.view());
    return {x, weight};
  }
  void backward(Backend& on, core::Stream& s, const Saved& kept, const Tensor& g,
                Sinks& into) const {
    const Tensor arrived = contiguous(g);
    const View x = as_rows(kept[0]), rows = as_rows(arrived.view());
    if (into.wanted(0)) {
      const Sink dx = into[0];
      RowsCall call = call_of(x);
      call.pass = Pass::slope;
      call.write = dx.write;
      call.in[1] = rows;
      call.in[2] = repeated(kept[1], x.sizes);
      call.out[0] = as_rows(dx.out);
      on.rows(call, s);
    }
    if (into.wanted(1)) {
      const Tensor terms = empty(arrived.meta());  // of the weight's gradient
      const View each = as_rows(terms.view());
      normalize(on, s, x, {}, {}, each);
      on.pointwise({.op = pointwise_id<math::Mul>, .in = {each, rows}, .out = each}, s);
      detail::sum_to(on, s, each, into[1]);
    }
    if (into.wanted(2)) detail::sum_to(on, s, rows, into[2]);
  }

 private:
  static View view_of(const Tensor& x) { return x.is_defined() ? x.view() : View{}; }
  // The same for every row; a null view stays one.
  static View repeated(const View& v, const Shape& sizes) {
    return v.data == nullptr ? v : detail::broadcast_view(v, sizes);
  }
  RowsCall call_of(const View& x) const {
    RowsCall call{.op = detail::rows_id<math::LayerNorm>, .axis = 1, .scalars = {epsilon}};
    call.in[0] = x;
    return call;
  }
  void normalize(Backend& on, core::Stream& s, const View& x, const View& weight, const View& bias,
                 const View& y) const {
    RowsCall call = call_of(as_rows(x));
    call.in[1] = repeated(weight, call.in[0].sizes);
    call.in[2] = repeated(bias, call.in[0].sizes);
    call.out[0] = as_rows(y);
    on.rows(call, s);
  }
};

void check_channels(const char* argument, const Tensor& x, const Tensor& each) {
  if (!each.is_defined()) return;
  detail::check_same_dtype(LayerNorm::name, x, argument, each);
  detail::check_shape(LayerNorm::name, argument, each, {x.shape()[x.rank() - 1]});
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias,
                  const LayerNormOptions& options) {
  detail::check_floating(LayerNorm::name, "x", x);
  check<ShapeError>(x.rank() >= 1, [&] {
    return Complaint{"layer_norm: x has shape [] but must be [..., channels]",
                     "give x an axis of features"};
  });
  check_channels("weight", x, weight);
  check_channels("bias", x, bias);
  check<UsageError>(options.epsilon >= 0, [&] {
    return Complaint{fmt::format("layer_norm: epsilon {}", options.epsilon),
                     "use an epsilon of at least 0"};
  });
  const auto laid_out = [](const Tensor& each) {
    return each.is_defined() ? contiguous(each) : each;
  };
  return apply(LayerNorm{options.epsilon}, contiguous(x), laid_out(weight), laid_out(bias));
}

}  // namespace lockstep
