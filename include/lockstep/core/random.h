// Counter-based random numbers (Philox-4x32-10) and the keys that make them equal on any number of
// ranks.
#pragma once

#include <array>
#include <cstdint>

namespace lockstep::core {

using Words = std::array<std::uint32_t, 4>;

// Ten rounds of Philox-4x32. Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2,
// 3", SC 2011.
constexpr Words philox(Words counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t low = std::uint64_t{0xD2511F53U} * counter[0];
    const std::uint64_t high = std::uint64_t{0xCD9E8D57U} * counter[2];
    counter = {static_cast<std::uint32_t>(high >> 32) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(high),
               static_cast<std::uint32_t>(low >> 32) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(low)};
    key[0] += 0x9E3779B9U;
    key[1] += 0xBB67AE85U;
  }
  return counter;
}

// Names one random call: the ordinal-th of a shard in a step. Never the rank.
struct RngKey {
  std::uint64_t seed = 0;
  std::uint32_t step = 0;
  std::uint32_t shard = 0;
  std::uint32_t ordinal = 0;  // below 2^24

  // The four words for elements 4 * block ... 4 * block + 3 of the call.
  constexpr Words words(std::uint64_t block) const {
    const auto high = static_cast<std::uint32_t>(block >> 32);
    return philox({static_cast<std::uint32_t>(block), ordinal | high << 24, shard, step},
                  {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  }
  friend bool operator==(const RngKey&, const RngKey&) = default;
};

// While it lives, this thread's random calls take their keys from (seed, step, shard), ordinals
// from 0.
class RandomScope {
 public:
  RandomScope(std::uint64_t seed, std::uint32_t step, std::uint32_t shard);
  RandomScope(const RandomScope&) = delete;
  RandomScope& operator=(const RandomScope&) = delete;
  ~RandomScope();

 private:
  RngKey outer_;
};

// The key of this thread's next random call; the ordinal moves on.
RngKey next_key();
// The key that next_key() will give, and its inverse: for checkpoints and recomputation.
RngKey current_key();
void restore_key(const RngKey& key);
// Restarts this thread's keys at (seed, 0, 0, 0).
void manual_seed(std::uint64_t seed);

}  // namespace lockstep::core
