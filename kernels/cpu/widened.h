// Matrix products, convolutions and pooling of halves as f32: copied, computed by the f32 kernels
// and rounded once.
#pragma once

#include "lockstep/kernels/calls.h"

namespace lockstep::kernels::cpu::widened {

void gemm(const GemmCall& call);
void conv(const ConvCall& call);
void pool(const PoolCall& call);

}  // namespace lockstep::kernels::cpu::widened
