// Every optimizer's update of one element: published formulas, one pass over parameter, gradient and state.
#pragma once

#include <cmath>

#include "kernels/math/hd.h"
#include "kernels/math/op_list.h"

namespace lockstep::kernels::math {

// Stochastic gradient descent with momentum and Nesterov's form (Sutskever et al., 2013), as PyTorch states it:
// the buffer starts as the first gradient. state[0]: momentum buffer (unused without momentum).
struct Sgd {
  static constexpr const char* name = "sgd";
};
// Adam with decoupled weight decay (Loshchilov, Hutter, 2019). state[0]: first moment, state[1]: second moment.
struct AdamW {
  static constexpr const char* name = "adamw";
};

using Updates = OpList<Sgd, AdamW>;

}  // namespace lockstep::kernels::math
