// The memory work of a collective with nothing around it: the limit that a transport is held to.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lockstep::bench {

enum class Stores : std::uint8_t { plain, streaming };

// Adds `sources` element by element and writes the sum to each of `targets`; one source is copied.
struct BareLoop {
  const std::byte* const* sources = nullptr;
  int source_count = 0;
  std::byte* const* targets = nullptr;
  int target_count = 0;
  std::size_t bytes = 0;
  int element_size = 4;
  bool is_floating = true;  // 16-bit floats are added as integers: it is the bytes that count
};
void run_bare_loop(const BareLoop& loop, Stores stores);

}  // namespace lockstep::bench
