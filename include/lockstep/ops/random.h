// Random ops: each takes this thread's next key (core/random.h), so that runs repeat bit for bit.
#pragma once

#include "lockstep/tensor/create.h"
#include "lockstep/tensor/tensor.h"

namespace lockstep {

// Zeroes each element with `probability` (in [0, 1)) and scales the rest by 1 / (1 - probability);
// `x` itself when not training or when the probability is 0.
Tensor dropout(const Tensor& x, double probability, bool training = true);

struct UniformOptions {
  double low = 0, high = 1;  // [low, high)
  DType dtype = DType::f32;
  Device device = {};
};
Tensor uniform(const Shape& shape, const UniformOptions& options = {});

struct NormalOptions {
  double mean = 0, deviation = 1;
  DType dtype = DType::f32;
  Device device = {};
};
Tensor normal(const Shape& shape, const NormalOptions& options = {});

// Refill an existing tensor, e.g. a parameter under NoGrad: UsageError where recording is on and it
// needs a gradient.
const Tensor& uniform_(const Tensor& x, double low, double high);
const Tensor& normal_(const Tensor& x, double mean, double deviation);

}  // namespace lockstep
