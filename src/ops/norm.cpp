#include "lockstep/ops/norm.h"

#include <fmt/format.h>

#include "lockstep/ops/apply.h"
#include "lockstep/ops/views.h"
#include "src/ops/checks.h"
#include "src/ops/pointwise.h"
#include "src/ops/strided.h"

namespace lockstep {
namespace {

namespace math = kernels::math;
using detail::as_rows;
using detail::pointwise_id;
using kernels::Backend;
using kernels::BatchNormCall;
using kernels::Pass;

// 1 / sqrt(variance + epsilon): what training's pass hands out, and evaluation's backward asks for.
Tensor inverse_deviation(Backend& on, core::Stream& s, const Tensor& variance, double epsilon) {
  Tensor result = empty(variance.meta());
  const View out = result.view();
  on.pointwise({.op = pointwise_id<math::Affine>,
                .in = {variance.view()},
                .out = out,
                .scalars = {1, epsilon}},
               s);
  on.pointwise({.op = pointwise_id<math::Sqrt>, .in = {out}, .out = out}, s);
  on.pointwise({.op = pointwise_id<math::Reciprocal>, .in = {out}, .out = out, .scalars = {1, 0}},
               s);
  return result;
}

struct BatchNorm {
  static constexpr const char* name = "batch_norm";
  BatchNormOptions options;

  Meta output(const Tensor& x, const Tensor&, const Tensor&, const Tensor&, const Tensor&) const {
    return x.meta();
  }
  Saved forward(Backend& on, core::Stream& s, const Tensor& x, const Tensor& weight,
                const Tensor& bias, const Tensor& running_mean, const Tensor& running_variance,
                const Tensor& y) const {
    if (x.elements() == 0) return {x, weight, y, running_mean, running_variance};
    BatchNormCall call = call_of(x.view(), weight.view());
    call.y = as_rows(y.view());
    call.bias = bias.view();
    call.running_mean = running_mean.view();
    call.running_variance = running_variance.view();
    const SavedTensor result = options.relu ? SavedTensor(y) : SavedTensor();
    if (!options.training) {
      on.batch_norm(call, s);
      if (!is_grad_enabled()) return {};
      return {x, weight, result, running_mean,
              inverse_deviation(on, s, running_variance, options.epsilon)};
    }
    const Tensor mean = empty(weight.meta());
    const Tensor deviation = empty(weight.meta());
    call.mean = mean.view();
    call.inverse_deviation = deviation.view();
    on.batch_norm(call, s);
    running_mean.mark_mutated();
    running_variance.mark_mutated();
    return {x, weight, result, mean, deviation};
  }
  void backward(Backend& on, core::Stream& s, const Saved& kept, const Tensor& g,
                Sinks& into) const {
    const Tensor arrived = contiguous(g);
    Sink sinks[3];
    for (int i = 0; i < 3; ++i) {
      if (into.wanted(i)) sinks[i] = into[i];
    }
    if (g.elements() == 0) return clear(on, s, sinks);
    BatchNormCall call = call_of(kept[0], kept[1]);
    call.pass = Pass::slope;
    call.write_x = sinks[0].write;
    call.write_weight = sinks[1].write;
    call.write_bias = sinks[2].write;
    call.g = as_rows(arrived.view());
    if (options.relu) call.y = as_rows(kept[2]);
    call.mean = kept[3];
    call.inverse_deviation = kept[4];
    if (sinks[0].out.data != nullptr) call.dx = as_rows(sinks[0].out);
    call.dweight = sinks[1].out;
    call.dbias = sinks[2].out;
    on.batch_norm(call, s);
  }

 private:
  using SavedTensor = autograd::SavedTensor;

  BatchNormCall call_of(const View& x, const View& weight) const {
    BatchNormCall call;
    call.training = options.training;
    call.relu = options.relu;
    call.x = as_rows(x);
    call.weight = weight;
    call.momentum = options.momentum;
    call.epsilon = options.epsilon;
    return call;
  }
  // The gradients of no samples.
  static void clear(Backend& on, core::Stream& s, const Sink (&sinks)[3]) {
    for (const Sink& sink : sinks) {
      if (sink.out.data != nullptr && sink.write == kernels::Write::store) {
        detail::fill(on, s, sink.out, 0);
      }
    }
  }
};

void check_channels(const char* argument, const Tensor& x, const Tensor& each) {
  detail::check_same_dtype_or_f32(BatchNorm::name, x, argument, each);
  detail::check_shape(BatchNorm::name, argument, each, {x.shape()[x.rank() - 1]});
}

}  // namespace

Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias,
                  const Tensor& running_mean, const Tensor& running_variance,
                  const BatchNormOptions& options) {
  detail::check_floating(BatchNorm::name, "x", x);
  check<ShapeError>(x.rank() >= 2, [&] {
    return Complaint{
        fmt::format("batch_norm: x has shape {} but must be [..., channels]", to_string(x.shape())),
        "give x an axis of samples in front"};
  });
  check_channels("weight", x, weight);
  check_channels("bias", x, bias);
  check_channels("running_mean", x, running_mean);
  check_channels("running_variance", x, running_variance);
  detail::check_constant(BatchNorm::name, "running_mean", running_mean);
  detail::check_constant(BatchNorm::name, "running_variance", running_variance);
  check<UsageError>(options.epsilon >= 0 && options.momentum >= 0 && options.momentum <= 1, [&] {
    return Complaint{
        fmt::format("batch_norm: epsilon {}, momentum {}", options.epsilon, options.momentum),
        "use an epsilon of at least 0 and a momentum from 0 to 1"};
  });
  return apply(BatchNorm{options}, contiguous(x), contiguous(weight), contiguous(bias),
               running_mean, running_variance);
}

}  // namespace lockstep
