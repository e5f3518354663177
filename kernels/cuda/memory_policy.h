// How much of a device's memory this process may take, and when: LOCKSTEP_CUDA_MEMORY.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace lockstep::kernels::cuda {

struct MemoryPolicy {
  std::size_t bytes = 0;          // 0: no cap in bytes
  double share = 0;               // of the device's memory; 0: no cap as a share
  bool is_taken_at_once = false;  // preallocate
  std::string text = "grow";      // as it was given

  // The most that may be taken of a device with `all` bytes.
  std::size_t limit(std::size_t all) const;
};

// "grow" (or null), "cap=20GiB", "cap=0.8", "preallocate=512MiB", "preallocate=0.5"; nothing where
// the text is none of these.
std::optional<MemoryPolicy> memory_policy(const char* text);
// The policy that the library's setting names. UsageError where it is wrong.
MemoryPolicy memory_policy_setting();

// "1.5 GiB", "512 bytes".
std::string bytes_text(std::size_t bytes);

}  // namespace lockstep::kernels::cuda
