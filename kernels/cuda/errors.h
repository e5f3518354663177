// From a status of the CUDA runtime to a DeviceError that says which call failed on which device,
// and after a fault which launches are suspected.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <string>

#include "kernels/cuda/runtime.h"

namespace lockstep::kernels::cuda {

// The last launches on a device. Launches are asynchronous, so a fault shows in a later call.
class LaunchLog {
 public:
  static constexpr std::size_t length = 4;

  // Both texts live as long as the process.
  void note(const char* family, const char* op);
  // "pointwise gelu, rows softmax", the latest last.
  std::string latest() const;

 private:
  struct Entry {
    std::atomic<const char*> family = nullptr;
    std::atomic<const char*> op = nullptr;
  };
  std::array<Entry, length> entries_;
  std::atomic<std::size_t> count_ = 0;
};

// Whether the device is lost to this process: every later call returns the same status.
bool is_sticky(Status status);

// Throws DeviceError unless `status` is success. `call` is the runtime's function.
void check(const Runtime& runtime, Status status, const char* call, int device,
           const LaunchLog& launches);

}  // namespace lockstep::kernels::cuda
