#include "lockstep/core/platform.h"

#include <fmt/format.h>

#include "lockstep/base/config.h"
#include "lockstep/base/error.h"
#include "lockstep/core/abi.h"
#include "lockstep/core/plugin.h"

namespace lockstep::core {
namespace {

Platform& open_cuda() {
  const std::string path = setting("LOCKSTEP_CUDA_PLUGIN").value_or("");
  return *static_cast<Platform*>(open_plugin("liblockstep_cuda.so", path, abi_number).object);
}

Platform& cuda() {
  static Platform& opened = open_cuda();
  return opened;
}

// The same, for who asked for one device.
Platform& cuda_for(Device device) {
  try {
    return cuda();
  } catch (const DeviceError& error) {
    throw DeviceError({fmt::format("{} is not available: {}", name_of(device), error.problem()),
                       fmt::format("use the device cpu; for CUDA {}", error.fix())});
  }
}

}  // namespace

Platform& platform(DeviceType type) {
  check<UsageError>(type == DeviceType::cuda, [] {
    return Complaint{"platform: the cpu has none", "ask for the platform of a device"};
  });
  return cuda();
}

Platform& platform(Device device) {
  check<UsageError>(device.type == DeviceType::cuda, [] {
    return Complaint{"platform: the cpu has none", "ask for the platform of a device"};
  });
  Platform& found = cuda_for(device);
  check<DeviceError>(device.index >= 0 && device.index < found.devices(), [&] {
    return Complaint{
        fmt::format("{} does not exist: {} CUDA device{} visible", name_of(device), found.devices(),
                    found.devices() == 1 ? " is" : "s are"),
        fmt::format("use cuda:0 to cuda:{}, or change CUDA_VISIBLE_DEVICES", found.devices() - 1)};
  });
  return found;
}

}  // namespace lockstep::core
