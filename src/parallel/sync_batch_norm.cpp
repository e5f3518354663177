#include "lockstep/parallel/sync_batch_norm.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "lockstep/autograd/parameter.h"
#include "lockstep/ops/apply.h"
#include "lockstep/ops/norm.h"
#include "lockstep/ops/pointwise.h"
#include "lockstep/ops/views.h"
#include "lockstep/tensor/views.h"
#include "src/parallel/moments.h"

namespace lockstep::parallel {
namespace {

using kernels::Backend;
using kernels::BatchNormCall;
using kernels::Pass;

constexpr TensorOptions on_host{.dtype = DType::f64};

View as_rows(const View& v) {
  const std::int64_t columns = v.sizes[v.rank() - 1];
  const std::int64_t rows = columns == 0 ? 0 : v.elements() / columns;
  return {v.data, v.dtype, {rows, columns}, {columns, 1}};
}

Tensor host_tensor(const std::vector<double>& values) {
  return tensor(std::span<const double>(values), {static_cast<std::int64_t>(values.size())},
                on_host);
}

struct SyncedBatchNorm {
  static constexpr const char* name = "sync_batch_norm";
  comm::Communicator* ranks;
  nn::BatchNormOptions options;

  Meta output(const Tensor& x, const Tensor&, const Tensor&, const Tensor&, const Tensor&) const {
    return x.meta();
  }

  Saved forward(Backend& on, core::Stream& s, const Tensor& x, const Tensor& weight,
                const Tensor& bias, const Tensor& running_mean, const Tensor& running_variance,
                const Tensor& y) const {
    Moments all = joined(*ranks, moments_of(on, s, x, weight, y));
    move_running(all, running_mean, running_variance);
    std::vector<double> variance = all.squares;
    for (double& each : variance) each = all.count == 0 ? 0 : each / all.count;
    const Tensor mean = host_tensor(all.mean);
    BatchNormCall call = call_of(x, weight);
    call.training = false;
    call.bias = bias.view();
    call.running_mean = mean.view();
    const Tensor variances = host_tensor(variance);
    call.running_variance = variances.view();
    call.y = as_rows(y.view());
    on.batch_norm(call, s);
    for (double& each : variance) each = 1 / std::sqrt(each + options.epsilon);
    return {x, weight, mean, host_tensor(variance), host_tensor({all.count})};
  }

  // dx = weight * deviation * (g - mean(g) - normalised x * mean(g * normalised x)), the means over
  // all ranks.
  void backward(Backend& on, core::Stream& s, const Saved& kept, const Tensor& g,
                Sinks& into) const {
    const Tensor& x = kept[0].tensor();
    const Tensor& weight = kept[1].tensor();
    const Tensor arrived = contiguous(g);
    const std::int64_t channels = weight.elements();
    const Tensor sums = zeros({2, channels}, on_host);  // of g, and of g * normalised x
    const Tensor of_g = reshaped_view(sliced_view(sums, 0, 0, 1), {channels});
    const Tensor of_product = reshaped_view(sliced_view(sums, 0, 1, 2), {channels});
    BatchNormCall call = call_of(x, weight);
    call.pass = Pass::slope;
    call.g = as_rows(arrived.view());
    call.mean = kept[2];
    call.inverse_deviation = kept[3];
    call.dbias = of_g.view();
    call.dweight = of_product.view();
    if (x.elements() > 0) on.batch_norm(call, s);
    write(on, s, of_product, into, 1);
    write(on, s, of_g, into, 2);
    const core::Buffer buffer{sums.view().data, sums.elements(), DType::f64, Device{}, {}};
    ranks->all_reduce(buffer, buffer, comm::Reduce::sum, s).wait();
    if (!into.wanted(0)) return;
    into.give(0, slope(kept, arrived, of_g, of_product));
  }

 private:
  BatchNormCall call_of(const Tensor& x, const Tensor& weight) const {
    BatchNormCall call;
    call.x = as_rows(x.view());
    call.weight = weight.view();
    call.epsilon = options.epsilon;
    return call;
  }

  // The kernel gives the moments as running ones that forget at once; its `y` is written again
  // later.
  Moments moments_of(Backend& on, core::Stream& s, const Tensor& x, const Tensor& weight,
                     const Tensor& y) const {
    const std::int64_t channels = weight.elements();
    Moments moments(channels);
    if (x.elements() == 0) return moments;
    const std::int64_t rows = x.elements() / channels;
    moments.count = static_cast<double>(rows);
    const Tensor mean = zeros({channels}, on_host);
    const Tensor variance = zeros({channels}, on_host);
    BatchNormCall call = call_of(x, weight);
    call.momentum = 1;
    call.running_mean = mean.view();
    call.running_variance = variance.view();
    call.y = as_rows(y.view());
    on.batch_norm(call, s);
    moments.mean = mean.to_vector<double>();
    moments.squares = variance.to_vector<double>();
    for (double& each : moments.squares) each *= std::max(1.0, moments.count - 1);
    return moments;
  }

  void move_running(const Moments& all, const Tensor& mean, const Tensor& variance) const {
    if (all.count == 0) return;
    const auto move = [&](const Tensor& running, std::vector<double> values, double scale) {
      const std::vector<double> before = running.to_vector<double>();
      for (std::size_t c = 0; c < values.size(); ++c)
        values[c] = before[c] + options.momentum * (values[c] * scale - before[c]);
      copy_elements(tensor(std::span<const double>(values), running.shape(),
                           {.dtype = running.dtype(), .device = running.device()}),
                    running);
    };
    move(mean, all.mean, 1);
    move(variance, all.squares, 1 / std::max(1.0, all.count - 1));
    mean.mark_mutated();
    variance.mark_mutated();
  }

  static void write(Backend& on, core::Stream& s, const Tensor& sum, Sinks& into, int input) {
    if (!into.wanted(input)) return;
    const autograd::Sink sink = into[input];
    on.copy({.write = sink.write, .in = sum.view(), .out = sink.out}, s);
  }

  static Tensor slope(const Saved& kept, const Tensor& g, const Tensor& of_g,
                      const Tensor& of_product) {
    const DType dtype = kept[1].tensor().dtype();  // of the arithmetic
    const Tensor x = cast(kept[0].tensor(), dtype);
    const Tensor deviation = kept[3].tensor();
    const double share = 1 / std::max(1.0, kept[4].tensor().item());
    const auto as_x = [&](const Tensor& values) {
      Tensor converted = empty(values.shape(), {.dtype = dtype, .device = x.device()});
      copy_elements(values, converted);
      return converted;
    };
    const Tensor mean_of_g = as_x(mul(of_g, share));
    const Tensor bend = as_x(mul(mul(of_product, share), deviation));
    const Tensor centred = sub(x, as_x(kept[2].tensor()));
    const Tensor factor = mul(kept[1].tensor(), as_x(deviation));
    const Tensor result = mul(sub(sub(cast(g, dtype), mean_of_g), mul(centred, bend)), factor);
    return cast(result, kept[0].tensor().dtype());
  }
};

class Finder final : public nn::Visitor {
 public:
  void parameter(std::string_view, const Tensor&) override {}
  void buffer(std::string_view, const Tensor&) override {}
  void child(std::string_view, nn::Module& module) override {
    is_found_ = is_found_ || dynamic_cast<const SyncBatchNorm*>(&module) != nullptr;
    module.visit(*this);
  }
  bool is_found() const { return is_found_; }

 private:
  bool is_found_ = false;
};

}  // namespace

SyncBatchNorm::SyncBatchNorm(std::int64_t channels, World& world, const Options& options)
    : ranks_(&world.communicator()), options_(options) {
  check<UsageError>(channels > 0, [&] {
    return Complaint{"SyncBatchNorm: " + std::to_string(channels) + " channels",
                     "give 1 channel or more"};
  });
  const int shards = world.shards().total;
  check<UsageError>(shards == world.size(), [&] {
    return Complaint{"SyncBatchNorm: " + std::to_string(shards) + " shards on " +
                         std::to_string(world.size()) +
                         " ranks; it needs all shards of a batch at once, and a rank computes its "
                         "shards one after the other",
                     "train with as many shards as ranks, or use nn::BatchNorm"};
  });
  const TensorOptions kind = {options.dtype, options.device};
  weight_ = ones({channels}, kind);
  bias_ = zeros({channels}, kind);
  require_grad(weight_);
  require_grad(bias_);
  running_mean_ = zeros({channels}, kind);
  running_variance_ = ones({channels}, kind);
}

Tensor SyncBatchNorm::forward(const Tensor& x) {
  if (!is_training()) {
    return batch_norm(x, weight_, bias_, running_mean_, running_variance_,
                      {.training = false, .epsilon = options_.epsilon});
  }
  const std::int64_t channels = weight_.elements();
  check<ShapeError>(x.rank() >= 2 && x.size(-1) == channels, [&] {
    return Complaint{"SyncBatchNorm: x has shape " + to_string(x.shape()) + " but must be [..., " +
                         std::to_string(channels) + "]",
                     "give x an axis of samples in front and the layer's channels at the end"};
  });
  const bool is_wide_enough = weight_.dtype() == DType::f32 && is_half_precision(x.dtype());
  check<DTypeError>(x.dtype() == weight_.dtype() || is_wide_enough, [&] {
    return Complaint{"SyncBatchNorm: x is " + std::string(name_of(x.dtype())) + ", the layer " +
                         std::string(name_of(weight_.dtype())),
                     "cast x, or make the layer with that dtype"};
  });
  return apply(SyncedBatchNorm{ranks_, options_}, contiguous(x), weight_, bias_, running_mean_,
               running_variance_);
}

void SyncBatchNorm::visit(nn::Visitor& visitor) {
  visitor.parameter("weight", weight_);
  visitor.parameter("bias", bias_);
  visitor.buffer("running_mean", running_mean_);
  visitor.buffer("running_variance", running_variance_);
}

bool has_sync_batch_norm(nn::Module& model) {
  Finder finder;
  finder.child("", model);
  return finder.is_found();
}

}  // namespace lockstep::parallel
