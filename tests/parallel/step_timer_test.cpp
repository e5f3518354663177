#include "src/parallel/step_timer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lockstep::parallel {
namespace {

using std::chrono::milliseconds;
using testing::DoubleEq;
using testing::ElementsAre;

StepTimer::Time at(int ms) { return StepTimer::Time{milliseconds(ms)}; }

TEST(StepTimer, TellsDataLoadingFromComputeAndLeavesWaitsOut) {
  StepTimer timer;
  timer.begin_step(at(100));
  const RankTimes first = timer.arrive(at(130));
  EXPECT_DOUBLE_EQ(first.between, 0);
  EXPECT_DOUBLE_EQ(first.compute, 0.030);
  timer.add_wait(milliseconds(10));
  timer.meet(at(140), 0.010);
  timer.add_wait(milliseconds(3));  // for a bucket, while 5 ms are spent in updates
  timer.end_step(at(148));
  timer.begin_step(at(155));
  const RankTimes second = timer.arrive(at(180));
  EXPECT_DOUBLE_EQ(second.between, 0.007);
  EXPECT_DOUBLE_EQ(second.compute, 0.030);
  EXPECT_DOUBLE_EQ(second.communication, 0);
}

TEST(StepTimer, CountsWaitsThatNoLateRankExplainsAsCommunication) {
  StepTimer timer;
  timer.begin_step(at(0));
  timer.add_wait(milliseconds(9));
  timer.meet(at(20), 0.004);
  timer.end_step(at(20));
  timer.begin_step(at(20));
  EXPECT_DOUBLE_EQ(timer.arrive(at(30)).communication, 0.005);
}

TEST(StepTimer, NamesTheRankThatEveryoneWaitedFor) {
  const std::vector<RankTimes> ranks{{0.5, 1, 0}, {0, 2, 0}, {1.5, 2, 9}, {0, 3.25, 0}};
  EXPECT_EQ(slowest_rank(ranks), 2);
  EXPECT_THAT(waits_for_slowest(ranks),
              ElementsAre(DoubleEq(2), DoubleEq(1.5), DoubleEq(0), DoubleEq(0.25)));
}

}  // namespace
}  // namespace lockstep::parallel
