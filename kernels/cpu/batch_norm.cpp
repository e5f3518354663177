#include <cmath>
#include <vector>

#include "kernels/cpu/convert.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/host.h"

namespace lockstep::kernels::cpu {
namespace {

using Channels = std::vector<double>;

Channels read(const View& view, std::int64_t channels, double otherwise) {
  Channels values(static_cast<std::size_t>(channels), otherwise);
  if (view.data == nullptr) return values;
  with_type(view.dtype, [&]<class T>(T) {
    load_run(view.as<T>(), view.rank() > 0 ? view.strides[view.rank() - 1] : 1, values.data(),
             channels);
  });
  return values;
}

void write(const View& view, const Channels& values, Write how = Write::store) {
  if (view.data == nullptr) return;
  with_type(view.dtype, [&]<class T>(T) {
    const std::int64_t stride = view.rank() > 0 ? view.strides[view.rank() - 1] : 1;
    for (std::size_t c = 0; c < values.size(); ++c) {
      T& place = view.as<T>()[static_cast<std::int64_t>(c) * stride];
      const double before = how == Write::add ? converted<double>(place) : 0.0;
      place = converted<T>(before + values[c]);
    }
  });
}

template <class T> class Job {
 public:
  explicit Job(const BatchNormCall& call)
      : call_(call),
        channels_(call.x.sizes[call.x.rank() - 1]),
        rows_(channels_ == 0 ? 0 : call.x.elements() / channels_),
        size_(static_cast<std::size_t>(channels_)) {}

  void value() {
    Channels mean = read(call_.running_mean, channels_, 0);
    Channels deviation(size_);
    if (call_.training) {
      const Channels variance = statistics(mean);
      for (std::size_t c = 0; c < size_; ++c)
        deviation[c] = 1 / std::sqrt(variance[c] + call_.epsilon);
      write(call_.mean, mean);
      write(call_.inverse_deviation, deviation);
      run_on(mean, variance);
    } else {
      const Channels variance = read(call_.running_variance, channels_, 1);
      for (std::size_t c = 0; c < size_; ++c)
        deviation[c] = 1 / std::sqrt(variance[c] + call_.epsilon);
    }
    const Channels weight = read(call_.weight, channels_, 1);
    const Channels bias = read(call_.bias, channels_, 0);
    each([&](std::int64_t i, std::size_t c) {
      const double y = (at(call_.x, i) - mean[c]) * deviation[c] * weight[c] + bias[c];
      call_.y.template as<T>()[i] = converted<T>(call_.relu && y < 0 ? 0.0 : y);
    });
  }

  void slope() {
    const Channels mean = read(call_.mean, channels_, 0);
    const Channels deviation = read(call_.inverse_deviation, channels_, 1);
    const Channels weight = read(call_.weight, channels_, 1);
    Channels sum(size_), product(size_);
    each([&](std::int64_t i, std::size_t c) {
      const double g = gradient(i);
      sum[c] += g;
      product[c] += g * (at(call_.x, i) - mean[c]) * deviation[c];
    });
    write(call_.dbias, sum, call_.write_bias);
    write(call_.dweight, product, call_.write_weight);
    if (call_.dx.data == nullptr) return;
    const double part = call_.training ? 1.0 / static_cast<double>(rows_) : 0.0;
    each([&](std::int64_t i, std::size_t c) {
      const double normalised = (at(call_.x, i) - mean[c]) * deviation[c];
      double dx =
          weight[c] * deviation[c] * (gradient(i) - part * (sum[c] + normalised * product[c]));
      T& place = call_.dx.template as<T>()[i];
      if (call_.write_x == Write::add) dx += converted<double>(place);
      place = converted<T>(dx);
    });
  }

 private:
  static double at(const View& view, std::int64_t i) { return converted<double>(view.as<T>()[i]); }
  double gradient(std::int64_t i) const {
    return call_.relu && !(at(call_.y, i) > 0) ? 0.0 : at(call_.g, i);
  }

  template <class Body> void each(const Body& body) const {
    for (std::int64_t row = 0; row < rows_; ++row) {
      for (std::int64_t c = 0; c < channels_; ++c)
        body(row * channels_ + c, static_cast<std::size_t>(c));
    }
  }

  // Fills in the mean, returns the biased variance.
  Channels statistics(Channels& mean) const {
    Channels variance(size_);
    std::fill(mean.begin(), mean.end(), 0.0);
    const double part = 1.0 / static_cast<double>(rows_);
    each([&](std::int64_t i, std::size_t c) { mean[c] += at(call_.x, i) * part; });
    each([&](std::int64_t i, std::size_t c) {
      const double distance = at(call_.x, i) - mean[c];
      variance[c] += distance * distance * part;
    });
    return variance;
  }

  void run_on(const Channels& mean, const Channels& variance) const {
    Channels running_mean = read(call_.running_mean, channels_, 0);
    Channels running_variance = read(call_.running_variance, channels_, 1);
    const double unbiased =
        rows_ > 1 ? static_cast<double>(rows_) / static_cast<double>(rows_ - 1) : 1.0;
    for (std::size_t c = 0; c < size_; ++c) {
      running_mean[c] += call_.momentum * (mean[c] - running_mean[c]);
      running_variance[c] += call_.momentum * (unbiased * variance[c] - running_variance[c]);
    }
    write(call_.running_mean, running_mean);
    write(call_.running_variance, running_variance);
  }

  const BatchNormCall& call_;
  std::int64_t channels_;
  std::int64_t rows_;
  std::size_t size_;
};

}  // namespace

void batch_norm(const BatchNormCall& call) {
  with_type(call.x.dtype, [&]<class T>(T) {
    if constexpr (std::is_floating_point_v<T> || is_half<T>) {
      Job<T> job(call);
      call.pass == Pass::value ? job.value() : job.slope();
    } else {
      fail("batch_norm: the input is not of a floating-point type", "convert it to f32");
    }
  });
}

}  // namespace lockstep::kernels::cpu
