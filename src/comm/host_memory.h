// How much memory this process may still take: what the system has left and what its control groups
// allow.
#pragma once

#include <cstdint>
#include <string>

namespace lockstep::comm {

// Where a limit comes from, in words.
struct MemoryLimit {
  std::uint64_t bytes = ~std::uint64_t{0};
  std::string from = "no limit";
};

// The tightest of MemAvailable in ROOT/proc/meminfo and, in the groups of ROOT/proc/self/cgroup and
// those above them, what version 2 (memory.max) and version 1 (memory.limit_in_bytes) leave. `root`
// is "" but in tests.
MemoryLimit available_memory(const std::string& root = "");

}  // namespace lockstep::comm
