#include "lockstep/optim/loss_scaler.h"

#include <fmt/format.h>

#include "lockstep/base/error.h"
#include "lockstep/tensor/create.h"
#include "src/optim/check_constant.h"

namespace lockstep::optim {

namespace {

// Gradients that overflow below it are no longer a matter of f16's range, whose largest number is
// 65504.
constexpr double least_scale = 0x1p-24;

}  // namespace

LossScaler::LossScaler(const Options& options)
    : options_(options),
      scale_(full({1}, options.scale, {.dtype = DType::f64})),
      finite_steps_(zeros({1}, {.dtype = DType::i64})) {
  check_constant("loss scaler", "growth", options.growth, 1, unbounded);
  check<UsageError>(options.scale > 0 && options.backoff > 0 && options.backoff < 1, [&] {
    return Complaint{
        fmt::format("loss scaler: scale {}, backoff {}", options.scale, options.backoff),
        "give a scale above 0, and a backoff between 0 and 1"};
  });
  check<UsageError>(options.growth_steps >= 1, [&] {
    return Complaint{fmt::format("loss scaler: growth_steps {}", options.growth_steps),
                     "give at least one step"};
  });
}

double LossScaler::scale() const { return *scale_.data<double>(); }

void LossScaler::record(bool is_finite) {
  double& scale = *scale_.data<double>();
  std::int64_t& steps = *finite_steps_.data<std::int64_t>();
  if (!is_finite) {
    scale *= options_.backoff;
    steps = 0;
    check<Error>(scale >= least_scale, [&] {
      return Complaint{
          fmt::format("loss scaler: step after step was skipped, and gradients are not "
                      "finite at a loss scale of {:.3g} either",
                      scale / options_.backoff),
          "look for NaN or infinity in the data, the weights and the layers"};
    });
  } else if (++steps == options_.growth_steps) {
    scale *= options_.growth;
    steps = 0;
  }
}

}  // namespace lockstep::optim
