#include "lockstep/nn/init.h"

#include <cmath>

#include "lockstep/autograd/grad_mode.h"
#include "lockstep/base/error.h"
#include "lockstep/ops/random.h"

namespace lockstep::nn {

namespace {

// A uniform distribution of this deviation reaches sqrt(3) times as far.
void fill_uniform(const Tensor& x, double deviation) {
  const NoGrad guard;
  const double bound = std::sqrt(3.0) * deviation;
  uniform_(x, -bound, bound);
}

void fill_normal(const Tensor& x, double deviation) {
  const NoGrad guard;
  normal_(x, 0, deviation);
}

double kaiming_deviation(const Tensor& weight, const KaimingOptions& options) {
  const Fans fans = fans_of(weight);
  const auto fan = static_cast<double>(options.by_outputs ? fans.out : fans.in);
  return std::sqrt(2 / ((1 + options.slope * options.slope) * fan));
}

double xavier_deviation(const Tensor& weight, double gain) {
  const Fans fans = fans_of(weight);
  return gain * std::sqrt(2 / static_cast<double>(fans.in + fans.out));
}

}  // namespace

Fans fans_of(const Tensor& weight) {
  check<ShapeError>(2 <= weight.rank() && weight.rank() <= 4 && weight.elements() > 0, [&] {
    return Complaint{
        "fans_of: a weight of shape " + to_string(weight.shape()),
        "give [out, in] or [out, kernel ..., in]; fill a bias with uniform_by_inputs_ or zeros"};
  });
  return {weight.elements() / weight.size(0), weight.elements() / weight.size(-1)};
}

void kaiming_uniform_(const Tensor& weight, const KaimingOptions& options) {
  fill_uniform(weight, kaiming_deviation(weight, options));
}

void kaiming_normal_(const Tensor& weight, const KaimingOptions& options) {
  fill_normal(weight, kaiming_deviation(weight, options));
}

void xavier_uniform_(const Tensor& weight, double gain) {
  fill_uniform(weight, xavier_deviation(weight, gain));
}

void xavier_normal_(const Tensor& weight, double gain) {
  fill_normal(weight, xavier_deviation(weight, gain));
}

void uniform_by_inputs_(const Tensor& parameter, std::int64_t inputs) {
  fill_uniform(parameter, 1 / std::sqrt(3.0 * static_cast<double>(inputs)));
}

}  // namespace lockstep::nn
