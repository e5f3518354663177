#include "lockstep/kernels/registry.h"

#include <fmt/format.h>

#include <filesystem>

#include "lockstep/base/config.h"
#include "lockstep/base/error.h"
#include "lockstep/core/abi.h"
#include "lockstep/core/platform.h"
#include "lockstep/core/plugin.h"
#include "lockstep/kernels/recorder.h"

namespace lockstep::kernels {
namespace {

// A build of the CPU kernels, and whether this processor can run it.
struct Variant {
  const char* name;
  bool is_supported;
};

// Best first. `native` is what the release preset builds for the machine at hand.
std::vector<Variant> variants() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                        __builtin_cpu_supports("bmi2");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                          __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return {{"native", true}, {"avx512", has_avx512}, {"avx2", has_avx2}, {"baseline", true}};
#else
  return {{"native", true}, {"baseline", true}};
#endif
}

std::string file_of(const Variant& variant) {
  return fmt::format("liblockstep_cpu_{}.so", variant.name);
}

bool is_present(const std::string& file) {
  std::error_code status;
  for (const std::string& folder : core::plugin_folders()) {
    if (std::filesystem::exists(std::filesystem::path(folder) / file, status)) return true;
  }
  return false;
}

// The first variant that is there and serves; else the complaint of the last that did not.
core::PluginAnswer open_cpu() {
  if (const auto path = setting("LOCKSTEP_CPU_PLUGIN")) {
    return core::open_plugin("liblockstep_cpu.so", *path, core::abi_number);
  }
  std::string refusal;
  for (const Variant& variant : variants()) {
    if (!variant.is_supported || !is_present(file_of(variant))) continue;
    try {
      return core::open_plugin(file_of(variant), "", core::abi_number);
    } catch (const DeviceError& error) {
      refusal += (refusal.empty() ? "" : "; ") + error.problem();
    }
  }
  if (refusal.empty()) {
    refusal = "no file liblockstep_cpu_<native|avx512|avx2|baseline>.so for this processor in " +
              fmt::format("{}", fmt::join(core::plugin_folders(), ", "));
  }
  throw DeviceError({"backend: no CPU kernels: " + refusal,
                     "set LOCKSTEP_PLUGIN_DIR to the folder that holds the plug-in, or build and "
                     "install lockstep again"});
}

const core::PluginAnswer& cpu_answer() {
  static const core::PluginAnswer answer = open_cpu();
  return answer;
}

std::string description_of(DeviceType type) {
  if (type == DeviceType::cpu) return cpu_answer().description;
  return core::platform(type).description();
}

}  // namespace

Backend& backend(Device device) {
  if (device.type != DeviceType::cpu) return core::platform(device).backend(device.index);
  check<DeviceError>(device.index == 0, [&] {
    return Complaint{"backend: " + name_of(device) + " does not exist",
                     "use cpu, which has no index"};
  });
  Backend& cpu = *static_cast<Backend*>(cpu_answer().object);
  Recorder* const watching = recorder();
  return watching == nullptr ? cpu : watching->backend_over(cpu);
}

BackendStatus backend_status(DeviceType type) {
  const char* const name = type == DeviceType::cpu ? "cpu" : "cuda";
  try {
    return {name, true, description_of(type)};
  } catch (const Error& error) {
    return {name, false, error.problem()};
  }
}

std::vector<BackendStatus> backends() {
  return {backend_status(DeviceType::cpu), backend_status(DeviceType::cuda)};
}

}  // namespace lockstep::kernels
