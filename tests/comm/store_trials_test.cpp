#include "src/comm/store_trials.h"

#include <gtest/gtest.h>

namespace lockstep::tests {
namespace {

using comm::StoreTrials;

constexpr StoreTrials::Fold mid{.bytes = 50'000, .is_in_place = true};
constexpr StoreTrials::Fold large{.bytes = 5'000'000, .is_in_place = true};

// Runs `runs` folds, of which those past the cache take `past` seconds and the others `through`;
// how many of the last ten went past it.
int choices(StoreTrials& trials, const StoreTrials::Fold& fold, double past, double through,
            int runs = 20) {
  int chosen = 0;
  for (int run = 0; run < runs; ++run) {
    const bool passes_by_cache = trials.next(fold);
    trials.note(fold, passes_by_cache, passes_by_cache ? past : through);
    chosen += run >= runs - 10 && passes_by_cache ? 1 : 0;
  }
  return chosen;
}

TEST(StoreTrials, TheFasterWayIsTakenOnceBothAreKnown) {
  StoreTrials trials;
  EXPECT_EQ(choices(trials, mid, 1, 5), 10);
  EXPECT_EQ(choices(trials, large, 5, 1), 0);
}

TEST(StoreTrials, SmallResultsAreNeverStoredPastTheCache) {
  StoreTrials trials;
  EXPECT_EQ(choices(trials, {.bytes = 100}, 0.1, 1), 0);
}

TEST(StoreTrials, EverySizeAndPlacementIsTriedForItself) {
  StoreTrials trials;
  EXPECT_EQ(choices(trials, mid, 1, 5), 10);
  EXPECT_EQ(choices(trials, large, 5, 1), 0);
  EXPECT_EQ(choices(trials, {.bytes = mid.bytes, .is_in_place = false}, 5, 1), 0);
  EXPECT_EQ(choices(trials, mid, 1, 5), 10);
}

TEST(StoreTrials, TheFirstRunAfterAChangeOfWayDoesNotCount) {
  StoreTrials trials;
  double last = -1;
  for (int run = 0; run < 20; ++run) {
    const bool passes_by_cache = trials.next(mid);
    const double way = passes_by_cache ? 1 : 0;
    const double cold = way == last ? 0 : 100;
    trials.note(mid, passes_by_cache, cold + (passes_by_cache ? 1 : 5));
    last = way;
  }
  EXPECT_TRUE(trials.next(mid));
}

TEST(StoreTrials, AChoiceIsRenewedWhileTheRunsGoOn) {
  StoreTrials trials;
  EXPECT_EQ(choices(trials, mid, 1, 3), 10);
  EXPECT_EQ(choices(trials, mid, 3, 1, 130), 0);
}

}  // namespace
}  // namespace lockstep::tests
