// The CUDA platform without kernels, on a fake of the runtime.
#pragma once

#include <memory>

#include "kernels/cuda/platform.h"
#include "tests/support/fake_cuda.h"

namespace lockstep::testing {

inline std::unique_ptr<core::Platform> fake_platform(FakeCuda& fake) {
  return std::make_unique<kernels::cuda::CudaPlatform>(
      fake.runtime(), [](kernels::cuda::DeviceContext&, core::Allocator&) {
        return std::unique_ptr<kernels::Backend>();
      });
}

inline kernels::cuda::StreamHandle stream_of(core::Platform& platform, core::StreamRole role) {
  return kernels::cuda::handle_of(platform.stream(0, role));
}

}  // namespace lockstep::testing
