// Whether large results are better stored past the cache: tried out while folding, since it depends
// on the processor, the size and on what else runs. The bits do not depend on it.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <limits>

namespace lockstep::comm {

// The last-level cache; a guess where the system does not say.
std::size_t last_level_cache_bytes();

class StoreTrials {
 public:
  // Sums of up to `cache` bytes are never stored past it.
  explicit StoreTrials(std::size_t cache = last_level_cache_bytes()) : cache_(cache) {}

  // Calls fold(bool passes_by_cache), which touches `bytes` bytes. Both ways are tried in turn for
  // every size; from then on the faster one is taken. In place the lines are read anyway, so that
  // the ways compare differently.
  template <class Fold> void run(std::size_t bytes, bool is_in_place, const Fold& fold) {
    if (bytes < cache_ / 8) return fold(false);
    Trials& trials = trials_[std::bit_width(bytes)][is_in_place ? 1 : 0];
    if (trials.runs >= trials_for_decision) return fold(trials.is_bypass_faster());
    const bool passes_by_cache = trials.runs++ % 2 != 0;
    const auto begin = std::chrono::steady_clock::now();
    fold(passes_by_cache);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    double& fastest = trials.fastest[passes_by_cache ? 1 : 0];
    fastest = std::min(fastest, taken.count() / static_cast<double>(bytes));
  }

 private:
  static constexpr int trials_for_decision = 6;
  // Stores past the cache must be clearly better: who reads the results next finds none of them.
  static constexpr double margin = 0.9;

  struct Trials {
    int runs = 0;
    double fastest[2] = {std::numeric_limits<double>::max(), std::numeric_limits<double>::max()};
    bool is_bypass_faster() const { return fastest[1] < margin * fastest[0]; }
  };

  std::size_t cache_;
  std::array<std::array<Trials, 2>, 65> trials_;
};

}  // namespace lockstep::comm
