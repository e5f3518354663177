// What all parts of the backend share of a device.
#pragma once

#include "kernels/cuda/errors.h"
#include "kernels/cuda/runtime.h"

namespace lockstep::kernels::cuda {

struct DeviceContext {
  const Runtime& runtime;
  int index = 0;
  DeviceProperties properties = {};
  LaunchLog launches = {};

  void check(Status status, const char* call) const {
    cuda::check(runtime, status, call, index, launches);
  }
  // Makes it the calling thread's device.
  void activate() const { check(runtime.set_device(index), "cudaSetDevice"); }
};

}  // namespace lockstep::kernels::cuda
