#include "kernels/cuda/platform.h"

#include "kernels/cuda/serve.h"

namespace lockstep::kernels::cuda {
namespace {

DeviceProperties properties_of(const Runtime& runtime, int device) {
  DeviceProperties properties;
  check(runtime, runtime.properties(&properties, device), "cudaGetDeviceProperties", device, {});
  return properties;
}

Device cuda_device(int index) { return {DeviceType::cuda, index}; }

}  // namespace

CudaPlatform::OpenDevice::OpenDevice(const Runtime& runtime, int index, MakeBackend make_backend)
    : context{runtime, index, properties_of(runtime, index)},
      events(context),
      queues{CudaQueue(context, events), CudaQueue(context, events), CudaQueue(context, events)},
      streams{core::Stream(cuda_device(index), &queues[0]),
              core::Stream(cuda_device(index), &queues[1]),
              core::Stream(cuda_device(index), &queues[2])},
      memory(context,
             {.device = cuda_device(index),
              .allocate = runtime.allocate,
              .release = runtime.release,
              .call = "cudaMalloc"},
             memory_policy_setting()),
      backend(make_backend(context, memory)) {}

CudaPlatform::CudaPlatform(const Runtime& runtime, MakeBackend make_backend)
    : runtime_(runtime), make_backend_(make_backend) {
  int devices = 0, version = 0;
  check(runtime, runtime.device_count(&devices), "cudaGetDeviceCount", 0, {});
  runtime.runtime_version(&version);
  devices_ = std::vector<Place>(static_cast<std::size_t>(devices));
  description_ = "CUDA " + version_text(version);
  for (int device = 0; device < devices; ++device) {
    const DeviceProperties properties = properties_of(runtime, device);
    description_ += std::string(", ") + properties.name + " " + bytes_text(properties.memory);
  }
}

CudaPlatform::OpenDevice& CudaPlatform::opened(int device) {
  Place& place = devices_[static_cast<std::size_t>(device)];
  std::call_once(place.once, [&] {
    place.device = std::make_unique<OpenDevice>(runtime_, device, make_backend_);
  });
  return *place.device;
}

std::int64_t CudaPlatform::identity(int device) { return properties_of(runtime_, device).identity; }

core::Allocator& CudaPlatform::pinned_memory() {
  std::call_once(pinned_once_, [&] {
    pinned_ = std::make_unique<CachingAllocator>(opened(0).context,
                                                 MemorySource{.allocate = runtime_.allocate_pinned,
                                                              .release = runtime_.release_pinned,
                                                              .call = "cudaHostAlloc"},
                                                 MemoryPolicy{});
  });
  return *pinned_;
}

}  // namespace lockstep::kernels::cuda
