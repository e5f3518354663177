// First values of parameters, drawn by this thread's random keys (core/random.h): the same seed,
// the same values.
#pragma once

#include <cstdint>

#include "lockstep/tensor/tensor.h"

namespace lockstep::nn {

// Inputs and outputs of a weight [out, in] or [out, kh, kw, in]: elements / out and elements / in.
// ShapeError for other ranks than 2 to 4.
struct Fans {
  std::int64_t in = 1;
  std::int64_t out = 1;
};
Fans fans_of(const Tensor& weight);

struct KaimingOptions {
  bool by_outputs = false;  // keep the variance of gradients instead of activations
  double slope = 0;         // of the rectifier's negative side
};
// Deviation sqrt(2 / ((1 + slope^2) fan)). He, Zhang, Ren, Sun: "Delving deep into rectifiers",
// 2015.
void kaiming_uniform_(const Tensor& weight, const KaimingOptions& options = {});
void kaiming_normal_(const Tensor& weight, const KaimingOptions& options = {});

// Deviation gain sqrt(2 / (fan in + fan out)). Glorot, Bengio, 2010.
void xavier_uniform_(const Tensor& weight, double gain = 1);
void xavier_normal_(const Tensor& weight, double gain = 1);

// Uniform in +-1 / sqrt(inputs): how Linear and Conv2d begin, weight and bias.
void uniform_by_inputs_(const Tensor& parameter, std::int64_t inputs);

}  // namespace lockstep::nn
