#include "src/parallel/straggler_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lockstep::parallel {
namespace {

using testing::HasSubstr;

const std::vector<RankTimes> even{{0.001, 0.010, 0.001}, {0.001, 0.010, 0.001}, {0, 0.011, 0.001}};
const std::vector<RankTimes> slow_compute{{0.001, 0.010, 0}, {0.001, 0.019, 0}, {0.001, 0.010, 0}};
const std::vector<RankTimes> slow_loading{{0.001, 0.010, 0}, {0.001, 0.010, 0}, {0.009, 0.011, 0}};
const std::vector<RankTimes> slow_link{{0, 0.010, 0.001}, {0, 0.010, 0.001}, {0, 0.010, 0.009}};

// What was said in `steps` steps that all went like `ranks`.
std::vector<Straggler> found_in(StragglerWatch& watch, const std::vector<RankTimes>& ranks,
                                int steps) {
  std::vector<Straggler> found;
  for (int i = 0; i < steps; ++i) {
    if (const auto straggler = watch.add_step(ranks)) found.push_back(*straggler);
  }
  return found;
}

TEST(StragglerWatch, SaysNothingWhereRanksAreAboutEven) {
  StragglerWatch watch({.share = 0.2, .steps = 10});
  EXPECT_TRUE(found_in(watch, even, 200).empty());
}

TEST(StragglerWatch, NamesTheRankThePhaseAndHowFarItIsBehind) {
  StragglerWatch watch({.share = 0.2, .steps = 10});
  const auto found = found_in(watch, slow_compute, 10);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].rank, 1);
  EXPECT_EQ(found[0].phase, Phase::compute);
  EXPECT_NEAR(found[0].lag, 0.009, 1e-12);
  EXPECT_NEAR(found[0].share, 0.009 / 0.020, 1e-12);
  EXPECT_EQ(found[0].steps, 10);
}

TEST(StragglerWatch, TellsLoadingAndCommunicationFromCompute) {
  StragglerWatch loading({.share = 0.2, .steps = 10});
  const auto slow_loader = found_in(loading, slow_loading, 10);
  ASSERT_EQ(slow_loader.size(), 1U);
  EXPECT_EQ(slow_loader[0].rank, 2);
  EXPECT_EQ(slow_loader[0].phase, Phase::between);
  StragglerWatch communication({.share = 0.2, .steps = 10});
  const auto slow_rank = found_in(communication, slow_link, 10);
  ASSERT_EQ(slow_rank.size(), 1U);
  EXPECT_EQ(slow_rank[0].rank, 2);
  EXPECT_EQ(slow_rank[0].phase, Phase::communication);
  EXPECT_NEAR(slow_rank[0].lag, 0.008, 1e-12);
}

TEST(StragglerWatch, NeedsTheStatedShareAndTheStatedSteps) {
  StragglerWatch tolerant({.share = 0.5, .steps = 10});
  EXPECT_TRUE(found_in(tolerant, slow_compute, 100).empty());
  StragglerWatch patient({.share = 0.2, .steps = 50});
  EXPECT_TRUE(found_in(patient, slow_compute, 49).empty());
  EXPECT_EQ(found_in(patient, slow_compute, 1).size(), 1U);
  StragglerWatch off({.share = 0.2, .steps = 0});
  EXPECT_TRUE(found_in(off, slow_compute, 1000).empty());
}

TEST(StragglerWatch, IsNotMisledByOneLongStep) {
  StragglerWatch watch({.share = 0.2, .steps = 10});
  EXPECT_TRUE(found_in(watch, even, 9).empty());
  EXPECT_TRUE(found_in(watch, {{5, 0.01, 0}, {0, 0.01, 0}, {0, 0.01, 0}}, 1).empty());
}

TEST(StragglerWatch, SaysItAgainAfterTenWindowsOrARecovery) {
  StragglerWatch watch({.share = 0.2, .steps = 10});
  EXPECT_EQ(found_in(watch, slow_compute, 100).size(), 1U);
  EXPECT_EQ(found_in(watch, slow_compute, 10).size(), 1U);
  EXPECT_TRUE(found_in(watch, even, 10).empty());
  EXPECT_EQ(found_in(watch, slow_compute, 20).size(), 1U);
  EXPECT_EQ(found_in(watch, slow_loading, 10).size(), 1U);
}

TEST(StragglerWatch, HasNobodyToCompareOneRankWith) {
  StragglerWatch watch({.share = 0.2, .steps = 1});
  EXPECT_TRUE(found_in(watch, {{1, 1, 1}}, 10).empty());
}

TEST(StragglerWatch, DescribesWhoIsSlowWhereAndWhatToDo) {
  const Straggler straggler{
      .rank = 1, .phase = Phase::compute, .lag = 0.0091, .share = 0.45, .steps = 100};
  EXPECT_EQ(description(straggler, "gpu1", {0, 1, 3}, 3),
            "the others wait for rank 1 of 3 (host gpu1): over the last 100 steps it was 9.1 ms a "
            "step (45 %) behind the median, in compute; look for other work on its cores, or a "
            "processor that is throttled");
  EXPECT_THAT(description({.rank = 0, .phase = Phase::compute}, "", {0, 2, 3}, 2),
              HasSubstr("wait for rank 0 of 2: over"));
  EXPECT_THAT(description({.rank = 0, .phase = Phase::compute}, "", {0, 2, 3}, 2),
              HasSubstr("it owns 2 of 3 shards: take a multiple of 2 shards"));
  EXPECT_THAT(description({.phase = Phase::between}, "", {0, 1, 2}, 2),
              HasSubstr("between steps (data loading); see what it reads its data from"));
  EXPECT_THAT(description({.phase = Phase::communication}, "", {0, 1, 2}, 2),
              HasSubstr("in communication; look at the network link of its host"));
}

}  // namespace
}  // namespace lockstep::parallel
