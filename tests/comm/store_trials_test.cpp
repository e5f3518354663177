#include "src/comm/store_trials.h"

#include <gtest/gtest.h>

#include <thread>

namespace lockstep::tests {
namespace {

using namespace std::chrono_literals;

// Runs sums of `bytes` bytes, of which those past the cache take `past` and the others `through`;
// how many of the last ten went past it.
int choices(comm::StoreTrials& trials, std::size_t bytes, std::chrono::milliseconds past,
            std::chrono::milliseconds through) {
  int chosen = 0;
  for (int run = 0; run < 20; ++run) {
    trials.run(bytes, false, [&](bool passes_by_cache) {
      if (run >= 10) {
        chosen += passes_by_cache ? 1 : 0;
      } else {
        std::this_thread::sleep_for(passes_by_cache ? past : through);
      }
    });
  }
  return chosen;
}

TEST(StoreTrials, TheFasterWayIsTakenOnceBothAreKnown) {
  comm::StoreTrials trials;
  EXPECT_EQ(choices(trials, 50'000, 1ms, 5ms), 10);
  EXPECT_EQ(choices(trials, 500'000, 5ms, 1ms), 0);
}

TEST(StoreTrials, SmallResultsAreNeverStoredPastTheCache) {
  comm::StoreTrials trials;
  EXPECT_EQ(choices(trials, 100, 0ms, 1ms), 0);
}

TEST(StoreTrials, EverySizeIsTriedForItself) {
  comm::StoreTrials trials;
  EXPECT_EQ(choices(trials, 50'000, 1ms, 5ms), 10);
  EXPECT_EQ(choices(trials, 5'000'000, 5ms, 1ms), 0);
  EXPECT_EQ(choices(trials, 51'000, 0ms, 0ms), 10);
}

TEST(StoreTrials, LinesThatWereNotReadAreAlwaysStoredPastTheCache) {
  comm::StoreTrials trials;
  for (int run = 0; run < 20; ++run)
    trials.run(50'000, true, [](bool passes_by_cache) { EXPECT_TRUE(passes_by_cache); });
}

TEST(StoreTrials, AChoiceIsRenewedAfterAWhile) {
  comm::StoreTrials trials;
  EXPECT_EQ(choices(trials, 50'000, 1ms, 3ms), 10);
  for (int run = 20; run < 64; ++run) trials.run(50'000, false, [](bool) {});
  EXPECT_EQ(choices(trials, 50'000, 3ms, 1ms), 0);
}

}  // namespace
}  // namespace lockstep::tests
