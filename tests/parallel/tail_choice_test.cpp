#include "src/parallel/tail_choice.h"

#include <gtest/gtest.h>

namespace lockstep::parallel {
namespace {

// Steps of the given times; whether the last one was fused.
bool ends_fused(TailChoice& choice, double plain, double fused) {
  for (int step = 0; step < 2 * TailChoice::trial_steps + 1; ++step) {
    EXPECT_FALSE(choice.is_decided());
    const bool is_over = choice.record(choice.is_fused() ? fused : plain);
    EXPECT_EQ(is_over, step == 2 * TailChoice::trial_steps);
  }
  choice.decide();
  EXPECT_TRUE(choice.is_decided());
  return choice.is_fused();
}

TEST(TailChoice, TakesTheFasterTailAfterATrialOfBoth) {
  TailChoice slow_fused(Tail::automatic, false), fast_fused(Tail::automatic, false);
  EXPECT_FALSE(ends_fused(slow_fused, 1, 2));
  EXPECT_TRUE(ends_fused(fast_fused, 2, 1));
}

TEST(TailChoice, DecidesByTheSlowestRanksTimes) {
  TailChoice choice(Tail::automatic, false);
  for (int step = 0; step < 2 * TailChoice::trial_steps + 1; ++step)
    choice.record(choice.is_fused() ? 1 : 2);
  for (std::size_t i = TailChoice::trial_steps; i < choice.times().size(); ++i)
    choice.times()[i] = 3;
  choice.decide();
  EXPECT_FALSE(choice.is_fused());
}

TEST(TailChoice, LearnsTheArrivalOfGradientsInAPlainFirstStep) {
  TailChoice choice(Tail::fused, false);
  EXPECT_FALSE(choice.is_fused());
  EXPECT_FALSE(choice.record(1));
  EXPECT_TRUE(choice.is_fused());
}

TEST(TailChoice, HasNoTrialWhereOneTailIsAskedForOrARankIsAlone) {
  for (TailChoice choice : {TailChoice(Tail::plain, false), TailChoice(Tail::automatic, true)}) {
    for (int step = 0; step < 30; ++step) {
      EXPECT_FALSE(choice.is_fused());
      EXPECT_FALSE(choice.record(1));
    }
  }
}

}  // namespace
}  // namespace lockstep::parallel
