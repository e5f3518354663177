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
  // every size and the faster one is taken for a while. Only where results go to lines of the peers
  // that this rank has not read is there nothing to try: a plain store must fetch the line first,
  // which takes up to ten times as long.
  template <class Fold> void run(std::size_t bytes, bool writes_unread_lines, const Fold& fold) {
    if (bytes < smallest) return fold(false);
    if (writes_unread_lines) return fold(true);
    Trials& trials = trials_[std::bit_width(bytes)];
    if (trials.runs++ % renewal == 0) trials.fastest[0] = trials.fastest[1] = unknown;
    if (trials.runs % renewal >= trials_for_decision) return fold(trials.is_bypass_faster());
    const bool passes_by_cache = trials.runs % 2 == 0;
    const auto begin = std::chrono::steady_clock::now();
    fold(passes_by_cache);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    double& fastest = trials.fastest[passes_by_cache ? 1 : 0];
    fastest = std::min(fastest, taken.count() / static_cast<double>(bytes));
  }

 private:
  static constexpr std::size_t smallest = std::size_t{32} << 10;
  static constexpr unsigned trials_for_decision = 6;
  static constexpr unsigned renewal = 64;  // runs; what the ranks do changes
  static constexpr double margin = 0.95;   // by which it must be faster to be worth it
  static constexpr double unknown = std::numeric_limits<double>::max();

  struct Trials {
    unsigned runs = 0;
    double fastest[2] = {unknown, unknown};
    bool is_bypass_faster() const { return fastest[1] < margin * fastest[0]; }
  };

  std::array<Trials, 65> trials_;
};

}  // namespace lockstep::comm
