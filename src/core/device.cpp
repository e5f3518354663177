#include "lockstep/core/device.h"

#include <charconv>

#include "lockstep/base/error.h"

namespace lockstep {

std::string name_of(Device device) {
  return device.type == DeviceType::cpu ? "cpu" : "cuda:" + std::to_string(device.index);
}

Device device_named(std::string_view name) {
  if (name == "cpu") return {};
  Device device{DeviceType::cuda, 0};
  bool is_valid = name == "cuda";
  if (name.starts_with("cuda:")) {
    const auto [end, status] =
        std::from_chars(name.data() + 5, name.data() + name.size(), device.index);
    is_valid = status == std::errc{} && end == name.data() + name.size() && device.index >= 0;
  }
  check<UsageError>(is_valid, [&] {
    return Complaint{"device_named: \"" + std::string(name) + "\" is not a device",
                     "use cpu, cuda or cuda:N"};
  });
  return device;
}

}  // namespace lockstep
