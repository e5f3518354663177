#include "lockstep/optim/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "lockstep/base/error.h"
#include "tests/support/failure.h"

namespace lockstep::optim {
namespace {

TEST(Schedule, AConstantStaysTheSame) {
  const Schedule rate = constant_schedule(0.3);
  EXPECT_EQ(rate(0), 0.3);
  EXPECT_EQ(rate(1000000), 0.3);
}

TEST(Schedule, ACosineRisesFallsAndStays) {
  const Schedule rate = cosine_schedule({.peak = 1, .floor = 0.1, .steps = 110, .warmup = 10});
  EXPECT_DOUBLE_EQ(rate(0), 0.1);
  EXPECT_DOUBLE_EQ(rate(4), 0.5);
  EXPECT_DOUBLE_EQ(rate(9), 1);
  EXPECT_DOUBLE_EQ(rate(10), 1);
  EXPECT_NEAR(rate(35), 0.1 + 0.9 * 0.5 * (1 + std::sqrt(0.5)), 1e-15);
  EXPECT_NEAR(rate(60), 0.55, 1e-15);
  EXPECT_DOUBLE_EQ(rate(110), 0.1);
  EXPECT_DOUBLE_EQ(rate(5000), 0.1);
}

TEST(Schedule, ACosineWithoutWarmUpBeginsAtThePeakAndNeverRises) {
  const Schedule rate = cosine_schedule({.peak = 2, .steps = 57});
  EXPECT_EQ(rate(0), 2);
  for (int step = 1; step < 70; ++step) EXPECT_LE(rate(step), rate(step - 1));
}

TEST(Schedule, AStepScheduleFallsAtMultiples) {
  const Schedule rate = step_schedule({.lr = 1, .factor = 0.5, .every = 3});
  EXPECT_EQ(rate(2), 1);
  EXPECT_EQ(rate(3), 0.5);
  EXPECT_EQ(rate(5), 0.5);
  EXPECT_EQ(rate(6), 0.25);
}

TEST(Schedule, RefusesAWarmUpThatFillsTheRun) {
  const auto error =
      tests::failure_of<UsageError>([] { cosine_schedule({.steps = 10, .warmup = 10}); });
  EXPECT_EQ(error.problem(), "schedule: a warm-up of 10 steps in 10 steps");
  EXPECT_EQ(error.fix(), "count the warm-up into `steps` and leave at least one step after it");
}

TEST(Schedule, RefusesRatesBelowZeroAndAChangeEveryNoSteps) {
  EXPECT_EQ(tests::failure_of<UsageError>([] { constant_schedule(-1); }).problem(),
            "schedule: lr is -1");
  const auto error = tests::failure_of<UsageError>([] { step_schedule({.every = 0}); });
  EXPECT_EQ(error.problem(), "schedule: a change every 0 steps");
  EXPECT_EQ(error.fix(), "give at least 1");
}

}  // namespace
}  // namespace lockstep::optim
