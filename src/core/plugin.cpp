#include "lockstep/core/plugin.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <link.h>

#include <cstdlib>
#include <filesystem>

#include "lockstep/base/config.h"
#include "lockstep/base/error.h"
#include "lockstep/core/parallel_for.h"

namespace lockstep::core {
namespace {

namespace fs = std::filesystem;

// The file that holds this very function: liblockstep, or a test executable that links the layers.
fs::path own_file() {
  Dl_info info{};
  link_map* map = nullptr;
  const bool is_found = dladdr1(reinterpret_cast<void*>(&own_file), &info,
                                reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) != 0;
  std::error_code status;
  if (is_found && map != nullptr && map->l_name != nullptr && *map->l_name != '\0') {
    return fs::canonical(map->l_name, status);
  }
  return fs::read_symlink("/proc/self/exe", status);
}

[[noreturn]] void fail(const char* what, const char* fix) { throw DeviceError({what, fix}); }
[[noreturn]] void refuse(const char* what, const char* fix) {
  throw UsageError({what, fix, "environment"});
}
const char* setting_or_null(const char* name) {
  return setting(name) ? std::getenv(name) : nullptr;
}

const Host& host() {
  static const Host table{
      .threads = &threads, .fail = &fail, .refuse = &refuse, .setting = &setting_or_null};
  return table;
}

std::vector<fs::path> candidates(const std::string& file, const std::string& override_path) {
  if (!override_path.empty()) return {override_path};
  std::vector<fs::path> paths;
  for (const std::string& folder : plugin_folders()) paths.push_back(fs::path(folder) / file);
  return paths;
}

PluginAnswer answer_of(const std::string& path, std::uint64_t abi) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  check<DeviceError>(library != nullptr, [&] {
    return Complaint{fmt::format("plug-in {}: cannot be opened: {}", path, dlerror()),
                     "install the libraries that it names, or build lockstep again"};
  });
  const auto entry = reinterpret_cast<PluginEntry>(dlsym(library, "lockstep_plugin"));
  check<DeviceError>(entry != nullptr, [&] {
    return Complaint{fmt::format("plug-in {}: exports no lockstep_plugin", path),
                     "give the path of a lockstep plug-in"};
  });
  const PluginAnswer answer = entry(&host());
  check<DeviceError>(answer.abi == abi, [&] {
    return Complaint{
        fmt::format("plug-in {}: built for another lockstep (ABI {:016x}, here {:016x})", path,
                    answer.abi, abi),
        "build and install the plug-in together with the library"};
  });
  check<DeviceError>(answer.object != nullptr, [&] {
    return Complaint{
        fmt::format("plug-in {}: cannot serve: {}", path,
                    answer.description != nullptr ? answer.description : "no reason given"),
        "mend what it names, or choose another device"};
  });
  return answer;
}

}  // namespace

std::vector<std::string> plugin_folders() {
  if (const auto folder = setting("LOCKSTEP_PLUGIN_DIR")) return {fs::absolute(*folder).string()};
  static const fs::path beside = own_file().parent_path();
  return {beside.string(), (beside / "lockstep").string()};
}

PluginAnswer open_plugin(const std::string& file, const std::string& override_path,
                         std::uint64_t abi) {
  const auto paths = candidates(file, override_path);
  for (const fs::path& path : paths) {
    std::error_code status;
    if (fs::exists(path, status)) return answer_of(fs::absolute(path).string(), abi);
  }
  std::string tried;
  for (const fs::path& path : paths) tried += (tried.empty() ? "" : ", ") + path.string();
  throw DeviceError(
      {fmt::format("plug-in {}: not found; tried {}", file, tried),
       "set LOCKSTEP_PLUGIN_DIR to the folder that holds it, or install lockstep again"});
}

}  // namespace lockstep::core
