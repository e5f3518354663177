// A checksum at the speed of the cache, for what is looked at in every step.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lockstep::parallel {

// Sums of 64-bit words in 32 lanes, joined with odd factors: a single flipped bit always changes
// it. Not for telling apart what somebody made alike on purpose.
std::uint64_t checksum(const void* data, std::size_t bytes);

// Appends a checksum to a chain of them; another chain before, or another checksum, gives another
// one.
constexpr std::uint64_t chained(std::uint64_t chain, std::uint64_t checksum) {
  const std::uint64_t mixed = (chain ^ checksum) * 0x9e3779b97f4a7c15U;
  return (mixed ^ (mixed >> 32)) + 1;
}

}  // namespace lockstep::parallel
