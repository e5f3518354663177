// The norm of all gradients together, and clipping by it without a pass over the gradients.
#pragma once

#include <vector>

#include "lockstep/optim/optimizer.h"

namespace lockstep::optim {

// Elements of a parameter whose squares are summed in one go. Block sums are added in f64 in the
// order of the elements, parameters in registration order: the norm's bits do not depend on the
// arena's layout.
inline constexpr std::int64_t norm_block = 4096;

// The Euclidean norm of the gradients as the next step will use them, gradient_scale included.
// `takes_part` is as in Optimizer::begin_step.
double gradient_norm(Optimizer& optimizer);
double gradient_norm(Optimizer& optimizer, const std::vector<bool>& takes_part);

// Scales the next step's gradients so that their norm is at most `limit`; gives the norm before. A
// norm that is not finite leaves the scale alone. Pascanu, Mikolov, Bengio, 2013. UsageError unless
// limit > 0.
double clip_gradient_norm(Optimizer& optimizer, double limit);
double clip_gradient_norm(Optimizer& optimizer, double limit, const std::vector<bool>& takes_part);

}  // namespace lockstep::optim
