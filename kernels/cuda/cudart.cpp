#include <cuda_runtime_api.h>

#include <cstring>

#include "kernels/cuda/runtime.h"

namespace lockstep::kernels::cuda {
namespace {

static_assert(status::success == cudaSuccess &&
              status::out_of_memory == cudaErrorMemoryAllocation &&
              status::insufficient_driver == cudaErrorInsufficientDriver &&
              status::no_device == cudaErrorNoDevice && status::not_ready == cudaErrorNotReady);

Status properties_of(DeviceProperties* of, int device) {
  cudaDeviceProp found{};
  const cudaError_t status = cudaGetDeviceProperties(&found, device);
  if (status != cudaSuccess) return status;
  static_assert(sizeof of->name == sizeof found.name);
  std::memcpy(of->name, found.name, sizeof found.name);
  of->major = found.major;
  of->minor = found.minor;
  of->multiprocessors = found.multiProcessorCount;
  of->memory = found.totalGlobalMem;
  std::uint64_t halves[2];
  static_assert(sizeof halves == sizeof found.uuid);
  std::memcpy(halves, &found.uuid, sizeof halves);
  of->identity = static_cast<std::int64_t>(halves[0] * 0x9E3779B97F4A7C15U ^ halves[1]);
  return status;
}

}  // namespace

const Runtime& cudart() {
  static const Runtime table{
      .driver_version = [](int* version) -> Status { return cudaDriverGetVersion(version); },
      .runtime_version = [](int* version) -> Status { return cudaRuntimeGetVersion(version); },
      .device_count = [](int* count) -> Status { return cudaGetDeviceCount(count); },
      .properties = &properties_of,
      .set_device = [](int device) -> Status { return cudaSetDevice(device); },
      .memory_info = [](std::size_t* free, std::size_t* all) -> Status {
        return cudaMemGetInfo(free, all);
      },
      .allocate = [](void** data, std::size_t bytes) -> Status { return cudaMalloc(data, bytes); },
      .release = [](void* data) -> Status { return cudaFree(data); },
      .allocate_pinned = [](void** data, std::size_t bytes) -> Status {
        return cudaHostAlloc(data, bytes, cudaHostAllocPortable);
      },
      .release_pinned = [](void* data) -> Status { return cudaFreeHost(data); },
      .create_stream = [](StreamHandle* stream) -> Status {
        return cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking);
      },
      .destroy_stream = [](StreamHandle stream) -> Status { return cudaStreamDestroy(stream); },
      .wait_for_stream = [](StreamHandle stream) -> Status {
        return cudaStreamSynchronize(stream);
      },
      .stream_waits = [](StreamHandle stream, EventHandle event) -> Status {
        return cudaStreamWaitEvent(stream, event, cudaEventWaitDefault);
      },
      .create_event = [](EventHandle* event) -> Status {
        return cudaEventCreateWithFlags(event, cudaEventDisableTiming);
      },
      .destroy_event = [](EventHandle event) -> Status { return cudaEventDestroy(event); },
      .record = [](EventHandle event, StreamHandle stream) -> Status {
        return cudaEventRecord(event, stream);
      },
      .query = [](EventHandle event) -> Status { return cudaEventQuery(event); },
      .wait_for_event = [](EventHandle event) -> Status { return cudaEventSynchronize(event); },
      .copy = [](void* to, const void* from, std::size_t bytes, StreamHandle stream) -> Status {
        return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream);
      },
      .last_error = []() -> Status { return cudaGetLastError(); },
      .name = [](Status status) { return cudaGetErrorName(static_cast<cudaError_t>(status)); },
      .meaning = [](Status status) { return cudaGetErrorString(static_cast<cudaError_t>(status)); },
  };
  return table;
}

}  // namespace lockstep::kernels::cuda
