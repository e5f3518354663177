// Matrix products on the CPU; fast for f32 and f64.
#pragma once

#include "lockstep/kernels/calls.h"

namespace lockstep::kernels::cpu {

void gemm(const GemmCall& call);

}  // namespace lockstep::kernels::cpu
