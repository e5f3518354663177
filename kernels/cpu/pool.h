// Max and average pooling on the CPU, forward and backward; fast for f32 and f64.
#pragma once

#include "lockstep/kernels/calls.h"

namespace lockstep::kernels::cpu {

void pool(const PoolCall& call);

}  // namespace lockstep::kernels::cpu
