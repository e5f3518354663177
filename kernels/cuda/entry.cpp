// The plug-in's entry: refuses to serve where no device can be used, and says why.
#include "kernels/cuda/families.h"
#include "kernels/cuda/platform.h"
#include "kernels/cuda/serve.h"
#include "kernels/host.h"
#include "lockstep/core/abi.h"

extern "C" __attribute__((visibility("default"))) lockstep::core::PluginAnswer lockstep_plugin(
    const lockstep::core::Host* host) {
  using namespace lockstep;
  using namespace lockstep::kernels;
  kernels::host = host;
  static std::string reason;
  reason = cuda::reason_not_to_serve(cuda::cudart(), LOCKSTEP_CUDA_ARCHITECTURES);
  if (!reason.empty()) return {core::abi_number, nullptr, reason.c_str()};
  // Never destroyed: tensors may be released by static objects after main.
  static auto* const platform = new cuda::CudaPlatform(cuda::cudart(), &cuda::make_backend);
  return {core::abi_number, static_cast<core::Platform*>(platform), platform->description()};
}
