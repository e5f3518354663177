#include "lockstep/version.h"

#include <gtest/gtest.h>

#include <regex>

namespace lockstep {
namespace {

TEST(Version, IsThreeNumbersJoinedByDots) {
  EXPECT_TRUE(std::regex_match(version(), std::regex(R"(\d+\.\d+\.\d+)"))) << version();
}

}  // namespace
}  // namespace lockstep
