// What every op asks before it overwrites a tensor.
#pragma once

#include "lockstep/tensor/tensor.h"

namespace lockstep::detail {

// UsageError where recording is on and `x` needs a gradient, or where elements of `x` share memory.
void check_target(const char* op, const Tensor& x);
// The same for what is written into it: a source that needs a gradient would lose it.
void check_source(const char* op, const Tensor& source);
// `source`, or a copy of it where writing `x` would change it half way.
Tensor unaliased(const Tensor& source, const Tensor& x);

}  // namespace lockstep::detail
