// Convolutions on the CPU: forward, data gradient, weight gradient; fast for f32 and f64.
#pragma once

#include "lockstep/kernels/calls.h"

namespace lockstep::kernels::cpu {

void conv(const ConvCall& call);

}  // namespace lockstep::kernels::cpu
