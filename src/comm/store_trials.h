// Whether the peers' results are better stored past the cache: tried out while folding, since it
// depends on the processor, on where its ranks run and on what they do with the results. The bits
// do not depend on it.
#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <cstddef>

namespace lockstep::comm {

class StoreTrials {
 public:
  // Calls fold(bool passes_by_cache), which touches `bytes` bytes. Both ways are tried for
  // every size and then the one that was faster lately is taken. Only where results go to lines of
  // the peers that this rank has not read is there nothing to try: a plain store must fetch the
  // line first, which takes up to ten times as long.
  template <class Fold> void run(std::size_t bytes, bool writes_unread_lines, const Fold& fold) {
    if (bytes < smallest) return fold(false);
    if (writes_unread_lines) return fold(true);
    Trials& trials = trials_[std::bit_width(bytes)];
    const unsigned run = trials.runs++ % renewal;
    const bool passes_by_cache =
        run < 2 * runs_of_each ? run >= runs_of_each : trials.is_bypass_faster();
    const auto begin = std::chrono::steady_clock::now();
    fold(passes_by_cache);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    trials.note(passes_by_cache, taken.count() / static_cast<double>(bytes));
  }

 private:
  static constexpr std::size_t smallest = std::size_t{32} << 10;
  static constexpr unsigned runs_of_each = 4;
  static constexpr unsigned renewal = 64;  // runs; what the ranks do changes
  static constexpr double margin = 0.95;   // by which it must be faster to be worth it

  struct Trials {
    unsigned runs = 0;
    double taken[2] = {0, 0};  // lately, a byte
    bool is_bypass_faster() const { return taken[1] < margin * taken[0]; }
    // The latest run counts half, so that a way which has become slow is left at once.
    void note(bool passes_by_cache, double time) {
      double& lately = taken[passes_by_cache ? 1 : 0];
      lately = lately == 0 ? time : (lately + time) / 2;
    }
  };

  std::array<Trials, 65> trials_;
};

}  // namespace lockstep::comm
