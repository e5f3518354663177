#include "lockstep/obs/activity.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "lockstep/obs/trace.h"

namespace lockstep::obs {
namespace {

std::string name() { return current_activity().name; }

TEST(Activity, IsTheInnermostOne) {
  EXPECT_EQ(name(), "");
  const std::int64_t before = trace_now();
  {
    const Activity outer("evaluate");
    const std::int64_t outer_since = current_activity().since;
    EXPECT_GE(outer_since, before);
    {
      const Activity inner("loader.next");
      EXPECT_EQ(name(), "loader.next");
      EXPECT_GE(current_activity().since, outer_since);
    }
    EXPECT_EQ(name(), "evaluate");
    EXPECT_EQ(current_activity().since, outer_since);
  }
  EXPECT_EQ(name(), "");
}

TEST(Activity, OfAnotherThreadIsNotTold) {
  const Activity own("checkpoint.save");
  std::thread([] {
    const Activity other("loader.next");
    EXPECT_EQ(name(), "checkpoint.save");
  }).join();
  EXPECT_EQ(name(), "checkpoint.save");
}

}  // namespace
}  // namespace lockstep::obs
