// A build without oneDNN: configure with -DLOCKSTEP_WITH_ONEDNN=ON to have it.
#include "kernels/cpu/onednn.h"

namespace lockstep::kernels::cpu::onednn {

const char* description() { return nullptr; }
bool multiplies_bf16() { return false; }
bool gemm(const GemmCall&) { return false; }
bool conv(const ConvCall&) { return false; }

}  // namespace lockstep::kernels::cpu::onednn
