// Learning rates as functions of the step: stateless, so that a resumed run needs nothing but its
// step number.
#pragma once

#include <cstdint>
#include <functional>

namespace lockstep::optim {

// The learning rate of update `step`, 0 for the first: optimizer.use_learning_rate(schedule(step)).
using Schedule = std::function<double(std::int64_t step)>;

Schedule constant_schedule(double lr);

struct CosineOptions {
  double peak = 1e-3;
  double floor = 0;         // from step `steps` on
  std::int64_t steps = 1;   // in all, warm-up included
  std::int64_t warmup = 0;  // steps that rise linearly to the peak, the first one to peak / warmup
};
// Loshchilov, Hutter: "SGDR", 2017, one period: half a cosine from the peak to the floor.
// UsageError unless 0 <= warmup < steps.
Schedule cosine_schedule(const CosineOptions& options);

struct StepOptions {
  double lr = 0.1;
  double factor = 0.1;      // the rate is multiplied by it ...
  std::int64_t every = 30;  // ... each so many steps
};
Schedule step_schedule(const StepOptions& options);

}  // namespace lockstep::optim
