// Whether the peers' results are better stored past the cache: tried out while folding, since it
// depends on the processor, on where its ranks run and on what they do with the results. The bits
// do not depend on it.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace lockstep::comm {

// One rank decides for all: what a rank's stores cost shows in the others' next reads.
class StoreTrials {
 public:
  // Folds are told apart by their size, and by whether results overwrite what was read: else a
  // plain store must fetch its line first.
  struct Fold {
    std::size_t bytes = 0;
    bool is_in_place = false;
  };

  // Whether the next such fold passes by the cache. Both ways are tried, then the faster one is
  // taken, and now and then the other one is tried again.
  bool next(const Fold& fold) {
    if (fold.bytes < smallest) return false;
    Trials& trials = trials_of(fold);
    const std::uint64_t run = trials.runs++;
    if (run < 2 * runs_of_each) return run >= runs_of_each;
    return trials.is_bypass_faster() != (run % renewal >= renewal - runs_of_a_look);
  }

  // How long it took.
  void note(const Fold& fold, bool passes_by_cache, double seconds) {
    if (fold.bytes < smallest) return;
    Trials& trials = trials_of(fold);
    const bool is_change = trials.noted > 0 && passes_by_cache != trials.was_bypass;
    trials.was_bypass = passes_by_cache;
    ++trials.noted;
    if (is_change) return;  // its lines still lie where the other way has left them
    double& lately = trials.taken[passes_by_cache ? 1 : 0];
    // A run that something held up counts for little, many slow ones for what they are.
    lately = lately == 0 ? seconds : std::min(seconds, growth * lately);
  }

 private:
  static constexpr std::size_t smallest = std::size_t{32} << 10;
  static constexpr std::uint64_t runs_of_each = 3;
  static constexpr std::uint64_t renewal = 128;  // runs; what the ranks do changes
  static constexpr std::uint64_t runs_of_a_look = 2;
  static constexpr double growth = 1.1;   // at most, from run to run
  static constexpr double margin = 0.95;  // by which it must be faster to be worth it

  struct Trials {
    std::uint64_t runs = 0;
    std::uint64_t noted = 0;
    bool was_bypass = false;
    double taken[2] = {0, 0};  // lately, seconds
    bool is_bypass_faster() const { return taken[1] < margin * taken[0]; }
  };
  Trials& trials_of(const Fold& fold) {
    return trials_[fold.is_in_place ? 1 : 0][static_cast<std::size_t>(std::bit_width(fold.bytes))];
  }

  std::array<std::array<Trials, std::numeric_limits<std::size_t>::digits + 1>, 2> trials_;
};

}  // namespace lockstep::comm
