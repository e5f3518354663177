// Max and average pooling on the CPU, in f32 and f64, forward and backward.
#pragma once

#include "lockstep/kernels/calls.h"

namespace lockstep::kernels::cpu {

void pool(const PoolCall& call);

}  // namespace lockstep::kernels::cpu
