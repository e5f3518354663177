// Convolutions on the CPU, in f32 and f64: forward, data gradient, weight gradient.
#pragma once

#include "lockstep/kernels/calls.h"

namespace lockstep::kernels::cpu {

void conv(const ConvCall& call);

}  // namespace lockstep::kernels::cpu
