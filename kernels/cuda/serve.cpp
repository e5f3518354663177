#include "kernels/cuda/serve.h"

#include <charconv>

namespace lockstep::kernels::cuda {
namespace {

// One entry of the list: "90", "90-real", "90-virtual", "90a-real". An entry with a letter is for
// that very capability.
struct Architecture {
  int number = 0;  // 10 * major + minor
  bool is_specific = false;
  bool has_machine_code = true;
  bool has_ptx = true;
};

Architecture architecture_of(std::string_view text) {
  Architecture found;
  const char* const end = text.data() + text.size();
  const auto rest = std::from_chars(text.data(), end, found.number).ptr;
  const std::string_view suffix(rest, static_cast<std::size_t>(end - rest));
  found.is_specific = !suffix.empty() && suffix[0] != '-';
  found.has_machine_code = !suffix.ends_with("-virtual");
  found.has_ptx = !suffix.ends_with("-real");
  return found;
}

bool runs(const Architecture& code, int major, int minor) {
  const int device = 10 * major + minor;
  if (code.is_specific) return device == code.number;
  const bool is_same_major = code.number / 10 == major && code.number % 10 <= minor;
  return (code.has_machine_code && is_same_major) || (code.has_ptx && code.number <= device);
}

std::string failed(const Runtime& runtime, const char* call, Status status) {
  return std::string(call) + " failed: " + runtime.name(status) + " (" + runtime.meaning(status) +
         ")";
}

std::string driver_reason(const Runtime& runtime) {
  int driver = 0, needed = 0;
  runtime.driver_version(&driver);
  runtime.runtime_version(&needed);
  if (driver == 0) return "no NVIDIA driver is installed on this machine";
  return "the NVIDIA driver is too old: it supports CUDA " + version_text(driver) +
         ", this build needs CUDA " + version_text(needed);
}

}  // namespace

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

bool has_code_for(std::string_view architectures, int major, int minor) {
  while (!architectures.empty()) {
    const std::size_t end = std::min(architectures.find(','), architectures.size());
    if (runs(architecture_of(architectures.substr(0, end)), major, minor)) return true;
    architectures.remove_prefix(std::min(end + 1, architectures.size()));
  }
  return false;
}

std::string reason_not_to_serve(const Runtime& runtime, std::string_view architectures) {
  int devices = 0;
  const Status status = runtime.device_count(&devices);
  if (status != status::success) runtime.last_error();  // so that nobody else meets it
  if (status == status::insufficient_driver) return driver_reason(runtime);
  if (status == status::no_device || (status == status::success && devices == 0)) {
    return "the driver shows no CUDA device (CUDA_VISIBLE_DEVICES may hide them)";
  }
  if (status != status::success) return failed(runtime, "cudaGetDeviceCount", status);
  for (int device = 0; device < devices; ++device) {
    DeviceProperties properties;
    const Status asked = runtime.properties(&properties, device);
    if (asked != status::success) return failed(runtime, "cudaGetDeviceProperties", asked);
    if (has_code_for(architectures, properties.major, properties.minor)) continue;
    return "device " + std::to_string(device) + " (" + properties.name +
           ") has compute capability " + std::to_string(properties.major) + "." +
           std::to_string(properties.minor) + ", and this build has code for " +
           std::string(architectures) +
           "; build with it in LOCKSTEP_CUDA_ARCHITECTURES, or hide the device "
           "(CUDA_VISIBLE_DEVICES)";
  }
  return "";
}

}  // namespace lockstep::kernels::cuda
