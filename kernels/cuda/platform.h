// The CUDA devices of this machine: streams, memory and the kernels of each.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kernels/cuda/allocator.h"
#include "kernels/cuda/device_context.h"
#include "kernels/cuda/stream.h"
#include "lockstep/core/platform.h"
#include "lockstep/kernels/backend.h"

namespace lockstep::kernels::cuda {

// Makes the kernels of a device.
using MakeBackend = std::unique_ptr<Backend> (*)(DeviceContext& device, core::Allocator& memory);

class CudaPlatform final : public core::Platform {
 public:
  CudaPlatform(const Runtime& runtime, MakeBackend make_backend);

  int devices() const override { return static_cast<int>(devices_.size()); }
  const char* description() const override { return description_.c_str(); }
  std::int64_t identity(int device) override;
  core::Allocator& allocator(int device) override { return opened(device).memory; }
  core::Allocator& pinned_memory() override;
  core::Stream& stream(int device, core::StreamRole role) override {
    return opened(device).streams[static_cast<std::size_t>(role)];
  }
  Backend& backend(int device) override { return *opened(device).backend; }

 private:
  struct OpenDevice {
    OpenDevice(const Runtime& runtime, int index, MakeBackend make_backend);

    DeviceContext context;
    EventPool events;
    std::array<CudaQueue, 3> queues;  // by StreamRole
    std::array<core::Stream, 3> streams;
    CachingAllocator memory;
    std::unique_ptr<Backend> backend;
  };

  // Opened on first use, so that a process holds memory on the devices that it uses only.
  struct Place {
    std::once_flag once;
    std::unique_ptr<OpenDevice> device;
  };
  OpenDevice& opened(int device);

  const Runtime& runtime_;
  MakeBackend make_backend_;
  std::string description_;
  std::vector<Place> devices_;
  std::once_flag pinned_once_;
  std::unique_ptr<CachingAllocator> pinned_;
};

}  // namespace lockstep::kernels::cuda
