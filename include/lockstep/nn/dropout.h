// Dropout as a module.
#pragma once

#include "lockstep/nn/module.h"

namespace lockstep::nn {

// While training, zeroes each element with `probability` and scales the rest by 1 / (1 -
// probability). Srivastava et al., 2014. UsageError unless the probability is in [0, 1).
class Dropout : public Module {
 public:
  explicit Dropout(double probability = 0.5);
  Tensor forward(const Tensor& x) override;
  LayerSpec layer() const override { return {"dropout", {{"probability", probability_}}}; }

 private:
  double probability_;
};

}  // namespace lockstep::nn
