#include "src/comm/host_memory.h"

#include <fstream>
#include <optional>
#include <sstream>

namespace lockstep::comm {
namespace {

std::optional<std::uint64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t value = 0;
  if (file >> value) return value;
  return std::nullopt;  // absent, or "max"
}

void tighten(MemoryLimit& limit, std::uint64_t bytes, const std::string& from) {
  if (bytes < limit.bytes) limit = {bytes, from};
}

// Cached files count as used but give way, so they are no part of what is taken.
std::uint64_t reclaimable(const std::string& statistics) {
  std::ifstream file(statistics);
  std::string key;
  std::uint64_t value = 0;
  std::uint64_t sum = 0;
  while (file >> key >> value) {
    if (key == "inactive_file" || key == "active_file") sum += value;
  }
  return sum;
}

// A group and all above it limit what is in it.
void examine_groups(MemoryLimit& limit, const std::string& mount, std::string group,
                    const char* most, const char* used) {
  while (true) {
    const std::string folder = mount + group + "/";
    const auto allowed = number_in(folder + most);
    const auto taken = number_in(folder + used);
    if (allowed && taken) {
      const std::uint64_t cached = reclaimable(folder + "memory.stat");
      const std::uint64_t held = *taken > cached ? *taken - cached : 0;
      tighten(limit, *allowed > held ? *allowed - held : 0, folder + most);
    }
    if (group.empty() || group == "/") return;
    group.resize(group.rfind('/'));
  }
}

}  // namespace

MemoryLimit available_memory(const std::string& root) {
  MemoryLimit limit;
  std::ifstream system(root + "/proc/meminfo");
  for (std::string line; std::getline(system, line);) {
    std::istringstream words(line);
    std::string key;
    std::uint64_t kilobytes = 0;
    if (words >> key >> kilobytes && key == "MemAvailable:")
      tighten(limit, kilobytes << 10U, "MemAvailable in /proc/meminfo");
  }
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty())
      examine_groups(limit, root + "/sys/fs/cgroup", group, "memory.max", "memory.current");
    if (controllers == "memory")
      examine_groups(limit, root + "/sys/fs/cgroup/memory", group, "memory.limit_in_bytes",
                     "memory.usage_in_bytes");
  }
  return limit;
}

}  // namespace lockstep::comm
