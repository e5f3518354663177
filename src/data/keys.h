// Random keys of the data layer, apart from those of training by shard numbers that no run has.
#pragma once

#include "lockstep/core/random.h"

namespace lockstep::data {

inline core::RngKey order_key(std::uint64_t seed, std::int64_t epoch) {
  return {seed, static_cast<std::uint32_t>(epoch), 0xffffffffU, 0};
}

// words(sample) are those of one transform and one sample.
inline core::RngKey transform_key(std::uint64_t seed, std::int64_t epoch, std::size_t place) {
  return {seed, static_cast<std::uint32_t>(epoch), 0xfffffffeU, static_cast<std::uint32_t>(place)};
}

}  // namespace lockstep::data
