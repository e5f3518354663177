// Dynamic loss scaling: keeps the gradients of f16 layers within f16's narrow range.
#pragma once

#include <cstdint>

#include "lockstep/tensor/state.h"

namespace lockstep::optim {

// The defaults are those of PyTorch's GradScaler.
struct LossScalerOptions {
  double scale = 65536;              // of the first step
  double growth = 2;                 // the scale is multiplied by it ...
  std::int64_t growth_steps = 2000;  // ... after so many steps on end with finite gradients ...
  double backoff = 0.5;              // ... and by this after a step without
};

// Backward begins with the loss times scale(); the update divides by it. A step with a gradient
// that is NaN or infinite is skipped. Micikevicius et al.: "Mixed precision training", 2018.
class LossScaler {
 public:
  using Options = LossScalerOptions;
  // UsageError unless scale > 0, growth >= 1, 0 < backoff < 1 and growth_steps >= 1.
  explicit LossScaler(const Options& options = {});

  double scale() const;
  // Grows or backs off after a step. An Error where gradients are not finite at so small a scale
  // that it cannot be for their size.
  void record(bool is_finite);
  // "loss_scale" and "loss_scale_steps" (finite ones on end): the scaler's own memory.
  State state() const { return {{"loss_scale", scale_}, {"loss_scale_steps", finite_steps_}}; }

 private:
  Options options_;
  Tensor scale_;         // f64 [1]
  Tensor finite_steps_;  // i64 [1]
};

}  // namespace lockstep::optim
