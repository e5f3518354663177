#include "lockstep/base/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "lockstep/base/error.h"
#include "tests/support/environment.h"
#include "tests/support/failure.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using tests::Environment;
using tests::failure_of;

TEST(Settings, AreSortedAndDescribed) {
  for (std::size_t i = 0; i < settings().size(); ++i) {
    const Setting& each = settings()[i];
    EXPECT_THAT(std::string(each.name), testing::StartsWith("LOCKSTEP_"));
    EXPECT_FALSE(each.meaning.empty());
    EXPECT_FALSE(each.fallback.empty());
    if (i > 0) {
      EXPECT_LT(settings()[i - 1].name, each.name);
    }
  }
}

TEST(Setting, IsNothingWhenUnsetOrEmpty) {
  EXPECT_EQ(setting("LOCKSTEP_DATA"), std::nullopt);
  const Environment empty("LOCKSTEP_DATA", "");
  EXPECT_EQ(setting("LOCKSTEP_DATA"), std::nullopt);
  const Environment set("LOCKSTEP_DATA", "/data");
  EXPECT_EQ(setting("LOCKSTEP_DATA"), "/data");
}

TEST(Setting, RefusesANameThatIsNotDeclared) {
  const auto error = failure_of<UsageError>([] { (void)setting("LOCKSTEP_DATTA"); });
  EXPECT_THAT(error.fix(), HasSubstr("did you mean LOCKSTEP_DATA?"));
}

TEST(IntegerSetting, TakesWholeNumbersInItsRange) {
  EXPECT_EQ(integer_setting("LOCKSTEP_THREADS", 3, 1, 8), 3);
  for (const char* value : {"1", "5", "8"}) {
    const Environment set("LOCKSTEP_THREADS", value);
    EXPECT_EQ(integer_setting("LOCKSTEP_THREADS", 3, 1, 8), std::atoi(value));
  }
}

TEST(IntegerSetting, NamesVariableValueAndRange) {
  for (const char* value : {"0", "9", "two", "4x", "3.5", "99999999999999999999"}) {
    const Environment set("LOCKSTEP_THREADS", value);
    const auto error = failure_of<UsageError>([] { integer_setting("LOCKSTEP_THREADS", 3, 1, 8); });
    EXPECT_THAT(error.problem(), HasSubstr(std::string("LOCKSTEP_THREADS=") + value));
    EXPECT_THAT(error.problem(), HasSubstr("is not a whole number from 1 to 8"));
    EXPECT_EQ(error.fix(), "give such a number, or unset it");
  }
}

TEST(RefuseUnknownSettings, NamesTheVariableAndItsNeighbour) {
  refuse_unknown_settings();
  const Environment set("LOCKSTEP_SHARD", "2");
  const auto error = failure_of<UsageError>([] { refuse_unknown_settings(); });
  EXPECT_THAT(error.problem(), HasSubstr("LOCKSTEP_SHARD is set, but nothing reads it"));
  EXPECT_THAT(error.fix(), HasSubstr("did you mean LOCKSTEP_SHARDS?"));
}

TEST(Nearest, FindsTheClosestWord) {
  const std::string_view words[] = {"--batch", "--steps", "--seed"};
  EXPECT_EQ(nearest("--bacth", words), "--batch");
  EXPECT_EQ(nearest("--step", words), "--steps");
  EXPECT_EQ(nearest("completely different", words), "");
}

}  // namespace
}  // namespace lockstep
