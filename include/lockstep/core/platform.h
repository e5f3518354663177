// A type of device beside the host's processor: what its plug-in offers.
#pragma once

#include <cstdint>

#include "lockstep/core/allocator.h"
#include "lockstep/core/device.h"
#include "lockstep/core/stream.h"

namespace lockstep::kernels {
class Backend;
}

namespace lockstep::core {

// The object of a plug-in such as liblockstep_cuda.so. Devices are given by index, below devices().
class Platform {
 public:
  virtual ~Platform() = default;
  virtual int devices() const = 0;
  virtual const char* description() const = 0;  // for people: "1 device: NVIDIA H100 ..."
  // The same number for the same device in every process, another for any other.
  virtual std::int64_t identity(int device) = 0;
  virtual Allocator& allocator(int device) = 0;
  // Page-locked host memory, from which copies to a device are asynchronous.
  virtual Allocator& pinned_memory() = 0;
  virtual Stream& stream(int device, StreamRole role) = 0;
  virtual kernels::Backend& backend(int device) = 0;
};

// The platform of `device`, opened on first use. DeviceError where the plug-in is missing or cannot
// serve, and for an index that no device has.
Platform& platform(Device device);
// The platform of all devices of a type; DeviceError as above.
Platform& platform(DeviceType type);

}  // namespace lockstep::core
