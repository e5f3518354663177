// Where memory lives and kernels run: the host's processor, or a CUDA device by index.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lockstep {

enum class DeviceType : std::uint8_t { cpu, cuda };

struct Device {
  DeviceType type = DeviceType::cpu;
  std::int32_t index = 0;

  friend bool operator==(const Device&, const Device&) = default;
};

// "cpu" or "cuda:1".
std::string name_of(Device device);
// The inverse of name_of; "cuda" means "cuda:0". UsageError for anything else.
Device device_named(std::string_view name);

}  // namespace lockstep
