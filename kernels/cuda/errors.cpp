#include "kernels/cuda/errors.h"

#include <algorithm>

#include "kernels/host.h"

namespace lockstep::kernels::cuda {
namespace {

// What the runtime's reference says to leave the process in an inconsistent state or the device
// unusable, and memory that was damaged.
constexpr Status sticky[] = {
    214,  // cudaErrorECCUncorrectable
    220,  // cudaErrorNvlinkUncorrectable
    226,  // cudaErrorContained
    700,  // cudaErrorIllegalAddress
    702,  // cudaErrorLaunchTimeout
    710,  // cudaErrorAssert
    714,  // cudaErrorHardwareStackError
    715,  // cudaErrorIllegalInstruction
    716,  // cudaErrorMisalignedAddress
    717,  // cudaErrorInvalidAddressSpace
    718,  // cudaErrorInvalidPc
    719,  // cudaErrorLaunchFailure
    721,  // cudaErrorTensorMemoryLeak
    911,  // cudaErrorExternalDevice
};

}  // namespace

void LaunchLog::note(const char* family, const char* op) {
  Entry& entry = entries_[count_.fetch_add(1, std::memory_order_relaxed) % length];
  entry.family.store(family, std::memory_order_relaxed);
  entry.op.store(op, std::memory_order_relaxed);
}

std::string LaunchLog::latest() const {
  const std::size_t count = count_.load(std::memory_order_relaxed);
  std::string text;
  for (std::size_t i = count - std::min(count, length); i < count; ++i) {
    const Entry& entry = entries_[i % length];
    const char* const op = entry.op.load(std::memory_order_relaxed);
    text += (text.empty() ? "" : ", ") + std::string(entry.family.load(std::memory_order_relaxed));
    if (op != nullptr && *op != '\0') text += std::string(" ") + op;
  }
  return text.empty() ? "none" : text;
}

bool is_sticky(Status status) {
  return std::find(std::begin(sticky), std::end(sticky), status) != std::end(sticky);
}

void check(const Runtime& runtime, Status status, const char* call, int device,
           const LaunchLog& launches) {
  if (status == status::success) [[likely]]
    return;
  std::string what = std::string(call) + " failed on cuda:" + std::to_string(device) + ": " +
                     runtime.name(status) + " (" + runtime.meaning(status) + ")";
  if (!is_sticky(status)) {
    runtime.last_error();  // else the next launch would report it once more
    fail(what.c_str(),
         "see this error in the CUDA runtime's reference, and what lockstep-info "
         "says of the device");
  }
  what += "; the device is lost to this process; last launches: " + launches.latest();
  fail(what.c_str(),
       "start the program anew; with CUDA_LAUNCH_BLOCKING=1 the launch that is to "
       "blame fails itself");
}

}  // namespace lockstep::kernels::cuda
