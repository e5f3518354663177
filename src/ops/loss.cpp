#include "lockstep/ops/apply.h"
#include "lockstep/ops/rows.h"
#include "lockstep/ops/views.h"
#include "src/ops/checks.h"
#include "src/ops/pointwise.h"
#include "src/ops/rows.h"
#include "src/ops/strided.h"

namespace lockstep {
namespace {

namespace math = kernels::math;
using detail::broadcast_view;
using detail::pointwise_id;
using kernels::Backend;
using kernels::Pass;
using kernels::ReduceOp;

// A loss is f32 at least.
DType loss_dtype(const Tensor& x) { return is_half_precision(x.dtype()) ? DType::f32 : x.dtype(); }

Tensor scalar_like(const Tensor& x) { return empty({{}, x.dtype(), x.device()}); }

// out = a op b, for the few numbers of a loss.
template <class F>
void combine(Backend& on, core::Stream& s, const View& a, const View& b, const View& out) {
  on.pointwise({.op = pointwise_id<F>,
                .in = {broadcast_view(a, out.sizes), broadcast_view(b, out.sizes)},
                .out = out},
               s);
}

// Logits, targets, weights -> the mean loss. Without weights every sample weighs 1.
struct CrossEntropy {
  static constexpr const char* name = "cross_entropy";

  Meta output(const Tensor& logits, const Tensor&, const Tensor&) const {
    return {{}, loss_dtype(logits), logits.device()};
  }
  Saved forward(Backend& on, core::Stream& s, const Tensor& logits, const Tensor& targets,
                const Tensor& weights, const Tensor& mean) const {
    const Shape samples = {logits.shape()[0]};
    const Tensor loss = empty({samples, mean.dtype(), logits.device()});
    const Tensor log_sum = empty(loss.meta());
    on.rows({.op = detail::rows_id<math::CrossEntropy>,
             .axis = 1,
             .in = {logits.view(), targets.view(), weights ? weights.view() : View{}},
             .out = {loss.view(), log_sum.view()}},
            s);
    const View one = detail::aligned_view(mean.view(), 1);
    if (!weights) {
      on.reduce({.in = loss.view(), .out = one, .scale = 1.0 / static_cast<double>(samples[0])}, s);
      return {logits, targets, log_sum};
    }
    const Tensor total = scalar_like(mean);
    on.reduce({.in = weights.view(), .out = detail::aligned_view(total.view(), 1)}, s);
    on.reduce({.in = loss.view(), .out = one}, s);
    combine<math::Div>(on, s, mean.view(), total.view(), mean.view());
    return {logits, targets, log_sum, weights, total};
  }
  void backward(Backend& on, core::Stream& s, const Saved& kept, const Tensor& g,
                Sinks& into) const {
    if (!into.wanted(0)) return;
    const Tensor& logits = kept[0].tensor();
    const Tensor scaled = kept[3].is_defined() ? weighted(on, s, kept, g) : evenly(on, s, kept, g);
    const Sink sink = into[0];
    on.rows({.op = detail::rows_id<math::CrossEntropy>,
             .pass = Pass::slope,
             .write = sink.write,
             .axis = 1,
             .in = {kept[0], kept[1], broadcast_view(scaled.view(), {logits.shape()[0]}), kept[2]},
             .out = {sink.out}},
            s);
  }

 private:
  // g / n, a scalar.
  static Tensor evenly(Backend& on, core::Stream& s, const Saved& kept, const Tensor& g) {
    Tensor scaled = scalar_like(g);
    const double samples = static_cast<double>(kept[0].tensor().shape()[0]);
    on.copy({.in = g.view(), .out = scaled.view(), .scale = 1 / samples}, s);
    return scaled;
  }
  // g * weight / sum of weights.
  static Tensor weighted(Backend& on, core::Stream& s, const Saved& kept, const Tensor& g) {
    const Tensor share = scalar_like(g);
    combine<math::Div>(on, s, g.view(), kept[4], share.view());
    Tensor scaled = empty(kept[3].tensor().meta());
    combine<math::Mul>(on, s, kept[3], share.view(), scaled.view());
    return scaled;
  }
};

struct Mse {
  static constexpr const char* name = "mse";

  Meta output(const Tensor& prediction, const Tensor&) const {
    return {{}, prediction.dtype(), prediction.device()};
  }
  Saved forward(Backend& on, core::Stream& s, const Tensor& prediction, const Tensor& target,
                const Tensor& mean) const {
    const Tensor difference = empty(prediction.meta());
    combine<math::Sub>(on, s, prediction.view(), target.view(), difference.view());
    on.reduce({.op = ReduceOp::sum_of_squares,
               .in = difference.view(),
               .out = detail::aligned_view(mean.view(), difference.rank()),
               .scale = 1.0 / static_cast<double>(difference.elements())},
              s);
    return {difference};
  }
  void backward(Backend& on, core::Stream& s, const Saved& kept, const Tensor& g,
                Sinks& into) const {
    for (int input = 0; input < 2; ++input) {
      if (into.wanted(input)) side(on, s, kept[0].tensor(), g, into[input], input == 0 ? 2 : -2);
    }
  }

 private:
  // out (+)= factor / elements * g * difference.
  static void side(Backend& on, core::Stream& s, const Tensor& difference, const Tensor& g,
                   const Sink& sink, double factor) {
    const Tensor scaled = scalar_like(g);
    const double elements = static_cast<double>(difference.elements());
    on.copy({.in = g.view(), .out = scaled.view(), .scale = factor / elements}, s);
    on.pointwise({.op = pointwise_id<math::Mul>,
                  .write = sink.write,
                  .in = {difference.view(), broadcast_view(scaled.view(), difference.shape())},
                  .out = sink.out},
                 s);
  }
};

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& targets, const Tensor& weights) {
  constexpr const char* op = CrossEntropy::name;
  detail::check_floating(op, "logits", logits);
  detail::check_rank(op, "logits", logits, 2, "[n, classes]");
  detail::check_index(op, "targets", targets);
  detail::check_shape(op, "targets", targets, {logits.shape()[0]});
  if (weights) {
    detail::check_same_dtype_or_f32(op, logits, "weights", weights);
    detail::check_shape(op, "weights", weights, {logits.shape()[0]});
    detail::check_constant(op, "weights", weights);
  }
  detail::check_indices(op, "the target of sample", targets, logits.shape()[1]);
  return apply(CrossEntropy{}, logits, targets,
               weights ? cast(weights, loss_dtype(logits)) : weights);
}

Tensor mse(const Tensor& prediction, const Tensor& target) {
  detail::check_floating("mse", "prediction", prediction);
  detail::check_same_dtype_or_f32("mse", prediction, "target", target);
  detail::check_shape("mse", "target", target, prediction.shape());
  const DType dtype = loss_dtype(prediction);
  return apply(Mse{}, cast(prediction, dtype), cast(target, dtype));
}

}  // namespace lockstep
