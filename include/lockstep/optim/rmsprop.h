// RMSprop.
#pragma once

#include "lockstep/optim/optimizer.h"

namespace lockstep::optim {

struct RmsPropOptions {
  double lr = 1e-2;
  double alpha = 0.99;  // what is kept of the mean of squares at each step
  double epsilon = 1e-8;
  double weight_decay = 0;
  double momentum = 0;
};

// Hinton: "Neural networks for machine learning", lecture 6, 2012, as PyTorch states it:
// p -= lr g / (sqrt(v) + epsilon) with v the running mean of g^2 and decay p added to g first; with
// momentum, p -= lr b where b = momentum b + g / (sqrt(v) + epsilon). UsageError for constants out
// of range.
class RmsProp : public Optimizer {
 public:
  using Options = RmsPropOptions;
  explicit RmsProp(State parameters, const Options& options = {});
  explicit RmsProp(const ParameterGroups& groups, const Options& options = {});

 protected:
  kernels::UpdateScalars constants() const override;

 private:
  Options options_;
};

}  // namespace lockstep::optim
