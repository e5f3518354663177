// bf16 matrix products and convolutions through oneDNN, on processors that multiply bf16 (AMX,
// AVX512-BF16).
#pragma once

#include "lockstep/kernels/calls.h"

namespace lockstep::kernels::cpu::onednn {

// "oneDNN 2.6.3", or null where the build has none.
const char* description();

// The processor multiplies bf16 itself; elsewhere f32 is faster.
bool multiplies_bf16();

// False where the call is not one for oneDNN; nothing is done then.
bool gemm(const GemmCall& call);
bool conv(const ConvCall& call);

}  // namespace lockstep::kernels::cpu::onednn
