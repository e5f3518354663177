// Every row op (softmax, losses), written against a Team that owns lanes and their reductions.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/math/hd.h"
#include "kernels/math/op_list.h"

namespace lockstep::kernels::math {

// Softmax: value in = {x}, out = {y}; slope in = {y, g}, out = {dx}.
struct Softmax {
  static constexpr const char* name = "softmax";
};
// LogSoftmax: value in = {x}, out = {y}; slope in = {y, g}, out = {dx}.
struct LogSoftmax {
  static constexpr const char* name = "log_softmax";
};
// Softmax and cross-entropy in one: the loss of row i is weight[i] * -log softmax(x[i])[target[i]].
// value: in = {x [n, c], target [n] i64, weight [n] or null}, out = {loss [n], log_sum_exp [n]}.
// slope: in = {x, target, scaled weight [n] (weight * g, 0 stride allowed), log_sum_exp [n]}, out = {dx}: probabilities are not stored.
struct CrossEntropy {
  static constexpr const char* name = "cross_entropy";
};

using Rows = OpList<Softmax, LogSoftmax, CrossEntropy>;

}  // namespace lockstep::kernels::math
