// A stand-in for liblockstep_cuda.so on machines without a GPU: the CUDA backend's host side on a
// fake of the runtime, and its kernels' code on threads of the host.
#include "kernels/cuda/platform.h"
#include "kernels/host.h"
#include "lockstep/core/abi.h"
#include "lockstep/core/plugin.h"
#include "tests/support/fake_cuda.h"
#include "tests/support/host_cuda.h"

extern "C" __attribute__((visibility("default"))) lockstep::core::PluginAnswer lockstep_plugin(
    const lockstep::core::Host* host) {
  using namespace lockstep;
  static auto* const fake = new testing::FakeCuda;
  fake->is_prompt = true;
  fake->devices.push_back(fake->devices[0]);
  fake->devices[1].identity = 1;
  kernels::host = host;
  static auto* const platform = new kernels::cuda::CudaPlatform(
      fake->runtime(),
      [](kernels::cuda::DeviceContext&, core::Allocator&) -> std::unique_ptr<kernels::Backend> {
        return testing::make_host_cuda();
      });
  return {core::abi_number, static_cast<core::Platform*>(platform), platform->description()};
}
