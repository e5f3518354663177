#include "lockstep/obs/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "lockstep/base/error.h"

namespace lockstep::obs {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

class Log : public testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::info); }
  void TearDown() override { set_log_identity(0, 1, ""); }

  template <class Speak> static std::string said(const Speak& speak) {
    testing::internal::CaptureStderr();
    speak();
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(Log, WritesTimeLevelAndTextInOneLine) {
  EXPECT_THAT(said([] { warning("3 ranks share 2 cores"); }),
              MatchesRegex("[0-9][0-9]:[0-9][0-9]:[0-9][0-9] warning: 3 ranks share 2 cores\n"));
}

TEST_F(Log, KeepsBracesAsTheyAre) {
  EXPECT_THAT(said([] { info("{} {0} %v"); }), HasSubstr(": {} {0} %v\n"));
}

TEST_F(Log, DropsWhatIsBelowItsLevel) {
  EXPECT_EQ(said([] { debug("detail"); }), "");
  set_log_level(LogLevel::debug);
  EXPECT_THAT(said([] { debug("detail"); }), HasSubstr("debug: detail"));
  set_log_level(LogLevel::error);
  EXPECT_EQ(said([] { warning("careful"); }), "");
}

TEST_F(Log, LetsOtherRanksOnlyWarnAndSayWhoTheyAre) {
  set_log_identity(3, 4, "gpu1");
  EXPECT_EQ(said([] { info("hello"); }), "");
  EXPECT_THAT(said([] { warning("late"); }),
              MatchesRegex("\\[rank 3 host gpu1\\] [0-9:]+ warning: late\n"));
  EXPECT_EQ(log_rank(), 3);
}

TEST(LogLevelDeathTest, ComesFromTheEnvironmentWhichNamesABadValue) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto exit_with_complaint = [] {
    setenv("LOCKSTEP_LOG", "loud", 1);
    try {
      log_level();
    } catch (const UsageError& failure) {
      std::fputs(failure.what(), stderr);
      std::exit(2);
    }
    std::exit(0);
  };
  EXPECT_EXIT(exit_with_complaint(), testing::ExitedWithCode(2),
              "LOCKSTEP_LOG=loud is not a level\n.*\n.*give debug, info, warning or error");
}

}  // namespace
}  // namespace lockstep::obs
