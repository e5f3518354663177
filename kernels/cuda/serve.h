// Whether this machine can run the CUDA backend, and if not, why.
#pragma once

#include <string>
#include <string_view>

#include "kernels/cuda/runtime.h"

namespace lockstep::kernels::cuda {

// Whether code built for `architectures` ("80-real,90", in CMake's words) runs on compute
// capability major.minor: machine code on its own major version from its minor on, PTX on all that
// is newer.
bool has_code_for(std::string_view architectures, int major, int minor);

// Why no device can be used; empty where all visible ones can.
std::string reason_not_to_serve(const Runtime& runtime, std::string_view architectures);

// "13.0" of 13000.
std::string version_text(int version);

}  // namespace lockstep::kernels::cuda
