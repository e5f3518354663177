// The warning where mixed precision is slower than f32.
#pragma once

#include "lockstep/optim/optimizer.h"

namespace lockstep::parallel {

// Logs a warning where parameters compute in a dtype whose products the backend makes of f32.
void warn_of_slow_arithmetic(const optim::Optimizer& optimizer);

}  // namespace lockstep::parallel
