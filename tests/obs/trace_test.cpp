#include "lockstep/obs/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "lockstep/obs/log.h"
#include "src/obs/trace_text.h"
#include "tests/support/scratch.h"

namespace lockstep::obs {
namespace {

using testing::HasSubstr;
using tests::Scratch;
using tests::text_of;

TEST(Trace, KeepsTheNewestEventsInOrder) {
  clear_trace();
  for (int i = 0; i < 10'000; ++i) record({.category = "step", .name = "run", .number = i});
  const auto events = recent_events(100'000);
  EXPECT_EQ(events.size(), 4096U);
  EXPECT_EQ(events.front().number, 10'000 - 4096);
  EXPECT_EQ(events.back().number, 9'999);
  const auto last = recent_events(3);
  ASSERT_EQ(last.size(), 3U);
  EXPECT_EQ(last[0].number, 9'997);
  clear_trace();
  EXPECT_TRUE(recent_events(3).empty());
}

TEST(Trace, RecordsHowLongAScopeTook) {
  clear_trace();
  {
    const TraceScope scope("data", "next", 4096, 7);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  const auto events = recent_events(1);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_STREQ(events[0].name, "next");
  EXPECT_EQ(events[0].bytes, 4096);
  EXPECT_GE(events[0].end - events[0].begin, 2'000'000);
}

TEST(Trace, TellsThreadsApart) {
  clear_trace();
  record({.name = "here"});
  std::thread([] { record({.name = "there"}); }).join();
  const auto events = recent_events(2);
  EXPECT_NE(events[0].thread, events[1].thread);
}

TEST(Trace, IsWrittenInChromesFormat) {
  const Scratch scratch;
  clear_trace();
  record({.category = "comm",
          .name = "all_reduce",
          .begin = 5'000,
          .end = 7'500,
          .bytes = 64,
          .number = 3});
  record({.category = "step", .name = "update", .begin = 8'000, .end = 9'000});
  write_trace(scratch / "trace.json");
  const std::string text = text_of(scratch / "trace.json");
  EXPECT_THAT(text, testing::StartsWith("{\"traceEvents\":[\n{\"ph\":\"M\""));
  EXPECT_THAT(text, HasSubstr(R"("cat":"comm","name":"all_reduce","pid":0)"));
  EXPECT_THAT(text, HasSubstr(R"("ts":5.000,"dur":2.500,"args":{"bytes":64,"number":3}})"));
  EXPECT_THAT(text, HasSubstr(R"("ts":8.000,"dur":1.000,"args":{}})"));
  EXPECT_THAT(text, testing::EndsWith("\n]}\n"));
}

TEST(Trace, MovesTimesToAnotherClockAndLinksTheCallsOfACollective) {
  const auto text_of_call = [](const char* name, std::int64_t number, int rank,
                               std::uint64_t group = 0) {
    std::string text;
    append_event(
        text, {.category = "comm", .name = name, .begin = 5'000, .number = number, .group = group},
        {.rank = rank, .clock_offset = 2'000, .is_linked = true});
    return text;
  };
  const auto link_of = [](const std::string& text) {
    const std::size_t begin = text.find("\"bind_id\"");
    return begin == std::string::npos ? "" : text.substr(begin, text.find(',', begin) - begin);
  };
  EXPECT_THAT(text_of_call("barrier", 7, 3), HasSubstr(R"("pid":3,"tid":0,"ts":3.000)"));
  EXPECT_EQ(link_of(text_of_call("barrier", 7, 3)), link_of(text_of_call("barrier", 7, 1)));
  EXPECT_NE(link_of(text_of_call("barrier", 7, 3)), link_of(text_of_call("barrier", 8, 3)));
  EXPECT_NE(link_of(text_of_call("barrier", 7, 3)), "");
  EXPECT_EQ(link_of(text_of_call("send", 7, 3)), "");
  EXPECT_NE(link_of(text_of_call("barrier", 7, 3, 1)), link_of(text_of_call("barrier", 7, 3, 2)));
}

TEST(TraceDeathTest, IsWrittenAtTheEndOfTheProcessWhereTheEnvironmentNamesAFile) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  // The child runs this test from its start and makes a scratch folder of its own, so the name is
  // fixed.
  const auto folder = std::filesystem::temp_directory_path() / "lockstep-trace-test";
  std::filesystem::remove_all(folder);
  const auto traced_run = [&] {
    setenv("LOCKSTEP_TRACE", (folder / "trace.json").c_str(), 1);
    set_log_identity(2, 4, "host");
    for (int i = 0; i < 10'000; ++i) record({.category = "step", .name = "run", .number = i});
    std::exit(is_tracing() ? 0 : 1);
  };
  EXPECT_EXIT(traced_run(), testing::ExitedWithCode(0), "");
  const std::string text = text_of(folder / "trace.rank2.json");
  EXPECT_THAT(text, HasSubstr("\"number\":0}"));
  EXPECT_THAT(text, HasSubstr("\"number\":9999}"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace lockstep::obs
