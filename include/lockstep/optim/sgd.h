// Stochastic gradient descent with momentum, Nesterov's form and weight decay.
#pragma once

#include "lockstep/optim/optimizer.h"

namespace lockstep::optim {

struct SgdOptions {
  double lr = 0.01;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;  // added to the gradient: decay x parameter
  bool nesterov = false;    // needs momentum, and no dampening
};

// Sutskever, Martens, Dahl, Hinton: "On the importance of initialization and momentum in deep
// learning", 2013, in the form that PyTorch gives it: g += decay p; m = momentum m + (1 -
// dampening) g (the first m is g); p -= lr m, or lr (g + momentum m) with Nesterov. UsageError for
// constants out of range.
class Sgd : public Optimizer {
 public:
  using Options = SgdOptions;
  explicit Sgd(State parameters, const Options& options = {});
  explicit Sgd(const ParameterGroups& groups, const Options& options = {});

 protected:
  kernels::UpdateScalars constants() const override;

 private:
  Options options_;
};

}  // namespace lockstep::optim
