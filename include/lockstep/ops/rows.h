// Softmax and the losses.
#pragma once

#include "lockstep/tensor/tensor.h"

namespace lockstep {

// exp(x) / sum(exp(x)) along an axis, and its logarithm. Floating point.
Tensor softmax(const Tensor& x, int axis = -1);
Tensor log_softmax(const Tensor& x, int axis = -1);

// The mean over samples of -log softmax(logits)[target], a scalar: logits [n, classes], targets i64
// [n] in [0, classes). With weights [n] (of the logits' dtype, without a gradient): sum(weight *
// loss) / sum(weight). UsageError names the first sample whose target is out of range. The loss of
// no samples is NaN. Logits of half precision have a loss of f32, and weights of f32 or theirs.
Tensor cross_entropy(const Tensor& logits, const Tensor& targets, const Tensor& weights = {});

// The mean of (prediction - target)^2 over all elements, a scalar; equal shapes. A prediction of
// half precision has a loss of f32, and a target of f32 or its own dtype.
Tensor mse(const Tensor& prediction, const Tensor& target);

}  // namespace lockstep
