#include "lockstep/optim/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "lockstep/base/error.h"
#include "src/optim/check_constant.h"

namespace lockstep::optim {

Schedule constant_schedule(double lr) {
  check_constant("schedule", "lr", lr, 0, unbounded);
  return [lr](std::int64_t) { return lr; };
}

Schedule cosine_schedule(const CosineOptions& options) {
  check_constant("schedule", "peak", options.peak, 0, unbounded);
  check_constant("schedule", "floor", options.floor, 0, unbounded);
  check<UsageError>(0 <= options.warmup && options.warmup < options.steps, [&] {
    return Complaint{
        fmt::format("schedule: a warm-up of {} steps in {} steps", options.warmup, options.steps),
        "count the warm-up into `steps` and leave at least one step after it"};
  });
  return [options](std::int64_t step) {
    if (step < options.warmup) {
      return options.peak * static_cast<double>(step + 1) / static_cast<double>(options.warmup);
    }
    const double progress = std::min(1.0, static_cast<double>(step - options.warmup) /
                                              static_cast<double>(options.steps - options.warmup));
    const double share = 0.5 * (1 + std::cos(std::numbers::pi * progress));
    return options.floor + (options.peak - options.floor) * share;
  };
}

Schedule step_schedule(const StepOptions& options) {
  check_constant("schedule", "lr", options.lr, 0, unbounded);
  check_constant("schedule", "factor", options.factor, 0, unbounded);
  check<UsageError>(options.every > 0, [&] {
    return Complaint{fmt::format("schedule: a change every {} steps", options.every),
                     "give at least 1"};
  });
  return [options](std::int64_t step) {
    const std::int64_t changes = step / options.every;
    return options.lr * std::pow(options.factor, static_cast<double>(changes));
  };
}

}  // namespace lockstep::optim
