// Matrix products, convolutions and pooling by their definitions, in double precision: for the
// types that have no kernels of their own.
#pragma once

#include "lockstep/kernels/calls.h"

namespace lockstep::kernels::cpu::plain {

void gemm(const GemmCall& call);
void conv(const ConvCall& call);
void pool(const PoolCall& call);

}  // namespace lockstep::kernels::cpu::plain
