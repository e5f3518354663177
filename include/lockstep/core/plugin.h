// Finds and opens the libraries that hold backends and transports at run time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lockstep::core {

// What the library offers to a plug-in, which links nothing of ours.
struct Host {
  int (*threads)() = nullptr;
  // Throws DeviceError with these texts.
  void (*fail)(const char* what, const char* fix) = nullptr;
  // Throws UsageError with these texts, for a wrong setting.
  void (*refuse)(const char* what, const char* fix) = nullptr;
  // The value of an environment variable that the library knows; null where it is not set.
  const char* (*setting)(const char* name) = nullptr;
};

// What a plug-in's only exported symbol, `extern "C" PluginAnswer lockstep_plugin(const Host*)`,
// returns.
struct PluginAnswer {
  std::uint64_t abi = 0;   // must equal the library's own number
  void* object = nullptr;  // a kernels::Backend or a core::Platform; owned by the plug-in
  const char* description = nullptr;  // "avx512"; the reason where object is null
};
using PluginEntry = PluginAnswer (*)(const Host*);

// Opens `file` ("liblockstep_cpu_native.so"): from `override_path` if not empty, else
// LOCKSTEP_PLUGIN_DIR, else beside liblockstep, else lockstep/ in that folder; never the current
// directory. DeviceError when it is missing, stale (another ABI number), or says that it cannot
// serve; the message names every path that was tried.
PluginAnswer open_plugin(const std::string& file, const std::string& override_path,
                         std::uint64_t abi);
// The folders that open_plugin searches, in order.
std::vector<std::string> plugin_folders();

}  // namespace lockstep::core
