// Adam with decoupled weight decay.
#pragma once

#include "lockstep/optim/optimizer.h"

namespace lockstep::optim {

struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.01;
};

// Loshchilov, Hutter: "Decoupled weight decay regularization", 2019: p -= lr decay p, then
// p -= lr m^ / (sqrt(v^) + epsilon) with bias-corrected moments of the gradient. UsageError for
// constants out of range.
class AdamW : public Optimizer {
 public:
  using Options = AdamWOptions;
  explicit AdamW(State parameters, const Options& options = {});
  explicit AdamW(const ParameterGroups& groups, const Options& options = {});

 protected:
  kernels::UpdateScalars constants() const override;

 private:
  Options options_;
};

}  // namespace lockstep::optim
