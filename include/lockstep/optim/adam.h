// Adam.
#pragma once

#include "lockstep/optim/optimizer.h"

namespace lockstep::optim {

struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
};

// Kingma, Ba: "Adam: a method for stochastic optimization", 2015: p -= lr m^ / (sqrt(v^) + epsilon)
// with bias-corrected moments of the gradient, to which decay p is added first (AdamW keeps the two
// apart). UsageError for constants out of range.
class Adam : public Optimizer {
 public:
  using Options = AdamOptions;
  explicit Adam(State parameters, const Options& options = {});
  explicit Adam(const ParameterGroups& groups, const Options& options = {});

 protected:
  kernels::UpdateScalars constants() const override;

 private:
  Options options_;
};

}  // namespace lockstep::optim
