// Whether the peers' results are better stored past the cache: tried out while folding, since it
// depends on the processor, on where its ranks run and on what they do with the results. The bits
// do not depend on it.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <limits>

namespace lockstep::comm {

class StoreTrials {
 public:
  // Calls fold(bool passes_by_cache), which touches `bytes` bytes. Both ways are tried in turn for
  // every size; from then on the faster one is taken. In place the lines are read anyway, so that
  // the ways compare differently.
  template <class Fold> void run(std::size_t bytes, bool is_in_place, const Fold& fold) {
    if (bytes < smallest) return fold(false);
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
  static constexpr std::size_t smallest = std::size_t{32} << 10;
  static constexpr int trials_for_decision = 10;
  static constexpr double margin = 0.95;  // by which it must be faster to be worth it

  struct Trials {
    int runs = 0;
    double fastest[2] = {std::numeric_limits<double>::max(), std::numeric_limits<double>::max()};
    bool is_bypass_faster() const { return fastest[1] < margin * fastest[0]; }
  };

  std::array<std::array<Trials, 2>, 65> trials_;
};

}  // namespace lockstep::comm
