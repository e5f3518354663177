#include "lockstep/core/random.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

namespace lockstep::core {
namespace {

// The known-answer vectors published with Random123.
static_assert(philox({0, 0, 0, 0}, {0, 0}) ==
              Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
static_assert(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
              Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
static_assert(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
              Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});

TEST(Philox, GivesThePublishedAnswersExactAtRunTime) {
  volatile std::uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox({ones, ones, ones, ones}, {ones, ones}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(RngKey, GivesDifferentWordsWhereverAnythingDiffers) {
  const RngKey key{.seed = 1, .step = 2, .shard = 3, .ordinal = 4};
  std::set<Words> seen{key.words(0)};
  RngKey other = key;
  other.seed = 1 | std::uint64_t{1} << 32;
  EXPECT_TRUE(seen.insert(other.words(0)).second);
  other = key;
  other.step = 9;
  EXPECT_TRUE(seen.insert(other.words(0)).second);
  other = key;
  other.shard = 9;
  EXPECT_TRUE(seen.insert(other.words(0)).second);
  other = key;
  other.ordinal = 9;
  EXPECT_TRUE(seen.insert(other.words(0)).second);
  EXPECT_TRUE(seen.insert(key.words(1)).second);
  EXPECT_TRUE(seen.insert(key.words(std::uint64_t{1} << 32)).second);
}

TEST(RandomScope, CountsTheCallsOfAShardFromZero) {
  const RandomScope scope(7, 5, 3);
  EXPECT_EQ(next_key(), (RngKey{7, 5, 3, 0}));
  EXPECT_EQ(next_key(), (RngKey{7, 5, 3, 1}));
  EXPECT_EQ(current_key(), (RngKey{7, 5, 3, 2}));
}

TEST(RandomScope, GoesOnWithTheOuterKeysWhenItEnds) {
  manual_seed(11);
  next_key();
  {
    const RandomScope scope(7, 5, 3);
    next_key();
  }
  EXPECT_EQ(next_key(), (RngKey{11, 0, 0, 1}));
}

TEST(RandomScope, BelongsToItsThread) {
  const RandomScope scope(7, 5, 3);
  std::thread([] { EXPECT_EQ(current_key().seed, 0U); }).join();
  EXPECT_EQ(current_key().seed, 7U);
}

TEST(RestoreKey, RepeatsACall) {
  manual_seed(1);
  const RngKey before = current_key();
  const RngKey first = next_key();
  restore_key(before);
  EXPECT_EQ(next_key(), first);
}

}  // namespace
}  // namespace lockstep::core
