// Normalisation: over the batch, over the features of each sample.
#pragma once

#include "lockstep/tensor/tensor.h"

namespace lockstep {

struct BatchNormOptions {
  bool training = true;   // normalise with the batch's moments and move the running ones
  bool relu = false;      // max(0, .) in the same pass
  double momentum = 0.1;  // running += momentum * (batch - running)
  double epsilon = 1e-5;
};
// (x - mean) / sqrt(variance + epsilon) * weight + bias over the last axis of x [..., channels];
// the other four are [channels], f32 or of x's dtype. The running variance is the unbiased one.
// Ioffe, Szegedy, "Batch normalization", 2015.
Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias,
                  const Tensor& running_mean, const Tensor& running_variance,
                  const BatchNormOptions& options = {});

struct LayerNormOptions {
  double epsilon = 1e-5;
};
// (x - mean) / sqrt(variance + epsilon) * weight + bias over the last axis of x [..., channels], of
// each row by itself; weight and bias are [channels] or undefined. Floating point. Ba, Kiros,
// Hinton, "Layer normalization", 2016.
Tensor layer_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {},
                  const LayerNormOptions& options = {});

}  // namespace lockstep
