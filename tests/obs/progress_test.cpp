#include "lockstep/obs/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "lockstep/obs/log.h"

namespace lockstep::obs {
namespace {

using testing::HasSubstr;
using testing::Not;

// A clock that stands still until it is moved, and what was written.
struct Stage {
  double seconds = 100;
  std::ostringstream out;

  ProgressOptions options(Terminal terminal) {
    return {.label = "epoch 1/10", .out = &out, .terminal = terminal, .clock = [this] {
              return seconds;
            }};
  }
};

TEST(Progress, WritesPlainLinesAtIntervalsWhereThereIsNoTerminal) {
  Stage stage;
  Progress progress(6000, stage.options({}));
  for (int step = 0; step < 60; ++step) {
    stage.seconds += 0.5;
    progress.advance(100, 1.0 / (step + 1));
  }
  progress.finish("test accuracy 0.905");
  EXPECT_EQ(stage.out.str(),
            "epoch 1/10   33 %  200 samples/s  20 s left  loss 0.0500\n"
            "epoch 1/10   67 %  200 samples/s  10 s left  loss 0.0250\n"
            "epoch 1/10  100 %  200 samples/s  30 s  loss 0.0167\n"
            "epoch 1/10  6000 samples in 30 s, 200 samples/s  loss 0.0167  test accuracy 0.905\n");
}

TEST(Progress, DrawsABarOverItselfOnATerminal) {
  Stage stage;
  Progress progress(100, stage.options({.is_terminal = true, .has_color = false, .columns = 80}));
  for (int step = 0; step < 10; ++step) {
    stage.seconds += 1;
    progress.advance(10, 0.5);
  }
  progress.finish();
  const std::string text = stage.out.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\r'), 11);
  EXPECT_THAT(text, HasSubstr("\r━━━━━━━━━━··········  epoch 1/10   50 %  10.0 samples/s  5 s left "
                              " loss 0.5000\033[K"));
}

TEST(Progress, UsesNoColorWhereTheTerminalHasNone) {
  for (const bool has_color : {false, true}) {
    Stage stage;
    Progress progress(10,
                      stage.options({.is_terminal = true, .has_color = has_color, .columns = 80}));
    stage.seconds += 1;
    progress.advance(5);
    const auto contains_color = HasSubstr("\033[32m");
    if (has_color) {
      EXPECT_THAT(stage.out.str(), contains_color);
    } else {
      EXPECT_THAT(stage.out.str(), Not(contains_color));
    }
  }
}

TEST(Progress, NeverWrapsANarrowTerminal) {
  Stage stage;
  Progress progress(10, stage.options({.is_terminal = true, .has_color = false, .columns = 20}));
  stage.seconds += 1;
  progress.advance(5, 0.25);
  EXPECT_EQ(stage.out.str(), "\r━━━━····  epoch 1/1\033[K");
}

TEST(Progress, FollowsAChangeOfRateWithinSeconds) {
  Stage stage;
  Progress progress(1'000'000, stage.options({}));
  for (int step = 0; step < 600; ++step) {
    stage.seconds += 0.1;
    progress.advance(step < 300 ? 10 : 20);
  }
  EXPECT_NEAR(progress.rate(), 200, 20);
}

TEST(Progress, EndsItsLineWhenItIsLeftEarly) {
  Stage stage;
  {
    Progress progress(10, stage.options({.is_terminal = true, .has_color = false, .columns = 80}));
    stage.seconds += 1;
    progress.advance(1);
  }
  EXPECT_EQ(stage.out.str().back(), '\n');
}

TEST(Progress, IsSilentOnOtherRanks) {
  set_log_identity(1, 2, "host");
  Stage stage;
  Progress progress(10, stage.options({}));
  stage.seconds += 100;
  progress.advance(10);
  progress.finish();
  set_log_identity(0, 1, "");
  EXPECT_EQ(stage.out.str(), "");
}

TEST(Progress, AcceptsATotalOfZero) {
  Stage stage;
  Progress progress(0, stage.options({}));
  progress.finish();
  EXPECT_EQ(stage.out.str(), "epoch 1/10  0 samples in 0 s, 0.00 samples/s\n");
}

TEST(ProgressTexts, AreShort) {
  EXPECT_EQ(duration_text(6.6), "7 s");
  EXPECT_EQ(duration_text(200), "3 min 20 s");
  EXPECT_EQ(duration_text(7500), "2 h 05 min");
  EXPECT_EQ(duration_text(1.0 / 0.0), "?");
  EXPECT_EQ(rate_text(7.251), "7.25");
  EXPECT_EQ(rate_text(1520.4), "1,520");
  EXPECT_EQ(rate_text(48200), "48.2k");
  EXPECT_EQ(rate_text(3.1e6), "3.10M");
}

}  // namespace
}  // namespace lockstep::obs
