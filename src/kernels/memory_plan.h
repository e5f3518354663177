// Where memory goes that is used for a while only: offsets in one block.
#pragma once

#include <cstddef>
#include <vector>

namespace lockstep::kernels {

// Some bytes, used by the calls from `first` to `last`.
struct Lifetime {
  std::size_t bytes = 0;
  int first = 0;
  int last = 0;
};

struct MemoryPlan {
  std::vector<std::size_t> offsets;  // of each lifetime, aligned to core::alignment
  std::size_t bytes = 0;             // of the block
};

// Lifetimes that overlap get bytes that do not. Greedy, the largest first, each at the lowest
// offset: Pisarchyk, Lee, "Efficient memory management for deep neural net inference", 2020.
MemoryPlan planned(const std::vector<Lifetime>& lifetimes);

}  // namespace lockstep::kernels
