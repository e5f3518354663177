// The calls of the CUDA runtime that this backend makes, as a table: the real one, or a fake in the
// tests of the logic above it. Needs no CUDA header.
#pragma once

#include <cstddef>
#include <cstdint>

struct CUstream_st;
struct CUevent_st;

namespace lockstep::kernels::cuda {

using Status = int;  // cudaError_t
using StreamHandle = CUstream_st*;
using EventHandle = CUevent_st*;

// The values of cudaError_t that are told apart (cudart.cpp asserts that they are the runtime's).
namespace status {
inline constexpr Status success = 0;
inline constexpr Status out_of_memory = 2;
inline constexpr Status insufficient_driver = 35;
inline constexpr Status no_device = 100;
inline constexpr Status not_ready = 600;
}  // namespace status

struct DeviceProperties {
  char name[256] = {};
  int major = 0, minor = 0;  // compute capability
  int multiprocessors = 0;
  std::size_t memory = 0;
  std::int64_t identity = 0;  // made of the device's UUID
};

// Each does what the runtime's function of that name does. Calls without a device or stream go to
// the device of the calling thread's last set_device.
struct Runtime {
  Status (*driver_version)(int* version) = nullptr;   // cudaDriverGetVersion: 0 without a driver
  Status (*runtime_version)(int* version) = nullptr;  // cudaRuntimeGetVersion
  Status (*device_count)(int* count) = nullptr;       // cudaGetDeviceCount
  Status (*properties)(DeviceProperties* of, int device) = nullptr;      // cudaGetDeviceProperties
  Status (*set_device)(int device) = nullptr;                            // cudaSetDevice
  Status (*memory_info)(std::size_t* free, std::size_t* all) = nullptr;  // cudaMemGetInfo

  Status (*allocate)(void** data, std::size_t bytes) = nullptr;         // cudaMalloc
  Status (*release)(void* data) = nullptr;                              // cudaFree
  Status (*allocate_pinned)(void** data, std::size_t bytes) = nullptr;  // cudaHostAlloc
  Status (*release_pinned)(void* data) = nullptr;                       // cudaFreeHost

  Status (*create_stream)(StreamHandle* stream) = nullptr;   // non-blocking to the default stream
  Status (*destroy_stream)(StreamHandle stream) = nullptr;   // cudaStreamDestroy
  Status (*wait_for_stream)(StreamHandle stream) = nullptr;  // cudaStreamSynchronize
  Status (*stream_waits)(StreamHandle stream, EventHandle event) = nullptr;  // cudaStreamWaitEvent

  Status (*create_event)(EventHandle* event) = nullptr;                // without timing
  Status (*destroy_event)(EventHandle event) = nullptr;                // cudaEventDestroy
  Status (*record)(EventHandle event, StreamHandle stream) = nullptr;  // cudaEventRecord
  Status (*query)(EventHandle event) = nullptr;                        // cudaEventQuery
  Status (*wait_for_event)(EventHandle event) = nullptr;               // cudaEventSynchronize

  Status (*copy)(void* to, const void* from, std::size_t bytes,
                 StreamHandle stream) = nullptr;  // cudaMemcpyAsync, direction by address

  Status (*last_error)() = nullptr;                 // cudaGetLastError: returns and clears
  const char* (*name)(Status status) = nullptr;     // cudaGetErrorName
  const char* (*meaning)(Status status) = nullptr;  // cudaGetErrorString
};

// The runtime library that this plug-in is linked with.
const Runtime& cudart();

}  // namespace lockstep::kernels::cuda
