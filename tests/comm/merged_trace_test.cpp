#include "lockstep/comm/merged_trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "src/comm/rank_trace.h"
#include "tests/support/failure.h"
#include "tests/support/scratch.h"
#include "tests/support/thread_world.h"

namespace lockstep::tests {
namespace {

using comm::Clock;
using comm::RankTrace;
using nlohmann::json;
using testing::HasSubstr;

constexpr std::int64_t second = 1'000'000'000;

// A machine of its own for each rank, with a clock that is a second per rank ahead.
Clock clock_of(int rank) {
  return {[rank] { return obs::trace_now() + rank * second; }, static_cast<std::uint64_t>(rank)};
}

json events_of_kind(const json& trace, const std::string& kind) {
  json found = json::array();
  for (const json& event : trace.at("traceEvents")) {
    if (event.at("ph") == kind) found.push_back(event);
  }
  return found;
}

// Microseconds between the first and the last rank's end of each barrier.
std::vector<double> spreads(const json& trace) {
  std::map<int, std::vector<double>> ends;
  for (const json& event : events_of_kind(trace, "X")) {
    if (event.at("name") != "barrier") continue;
    ends[event.at("args").at("number").get<int>()].push_back(event.at("ts").get<double>() +
                                                             event.at("dur").get<double>());
  }
  std::vector<double> all;
  for (const auto& [number, times] : ends) {
    const auto [first, last] = std::minmax_element(times.begin(), times.end());
    all.push_back(*last - *first);
  }
  return all;
}

// The trace of `size` ranks that meet at 30 barriers, each by its own clock.
json trace_of_barriers(int size, const std::filesystem::path& file, bool has_clocks_apart) {
  on_ranks(size, [&](World& world) {
    RankTrace own{.host = "host" + std::to_string(world.rank()), .events = {}, .clock = {}};
    if (has_clocks_apart) own.clock = clock_of(world.rank());
    for (int i = 0; i < 30; ++i) {
      const std::int64_t begin = own.clock.now();
      world.communicator().barrier();
      own.events.push_back({.category = "comm",
                            .name = "barrier",
                            .begin = begin,
                            .end = own.clock.now(),
                            .number = i});
    }
    merge_traces(file, world.communicator(), own);
  });
  return json::parse(text_of(file));
}

TEST(MergedTrace, HasAProcessForEachRankInOneFile) {
  const Scratch scratch;
  const json trace = trace_of_barriers(3, scratch / "trace.json", false);
  std::vector<std::string> names;
  for (const json& line : events_of_kind(trace, "M")) {
    if (line.at("name") == "process_name") names.push_back(line.at("args").at("name"));
  }
  EXPECT_THAT(names, testing::ElementsAre("rank 0 host0", "rank 1 host1", "rank 2 host2"));
  std::map<int, int> counts;
  for (const json& event : events_of_kind(trace, "X")) ++counts[event.at("pid").get<int>()];
  EXPECT_EQ(counts, (std::map<int, int>{{0, 30}, {1, 30}, {2, 30}}));
}

// A busy machine may hold up a rank after a barrier, so the quickest of 30 counts.
TEST(MergedTrace, IsOnOneClockThoughTheRanksClocksAreSecondsApart) {
  const Scratch scratch;
  for (const int size : {2, 4}) {
    const json trace = trace_of_barriers(size, scratch / "trace.json", true);
    const auto apart = spreads(trace);
    ASSERT_EQ(apart.size(), 30U);
    EXPECT_LT(*std::min_element(apart.begin(), apart.end()), 5'000) << size;
    EXPECT_THAT(events_of_kind(trace, "M").dump(), HasSubstr("clock within "));
  }
}

TEST(MergedTrace, LeavesTheTimesAloneWhereRanksShareAClock) {
  const Scratch scratch;
  on_ranks(3, [&](World& world) {
    const std::int64_t begin = 1000 * (world.rank() + 1);
    RankTrace own{
        .host = "", .events = {{.name = "run", .begin = begin, .end = begin}}, .clock = {}};
    merge_traces(scratch / "trace.json", world.communicator(), own);
  });
  const json events = events_of_kind(json::parse(text_of(scratch / "trace.json")), "X");
  ASSERT_EQ(events.size(), 3U);
  for (int rank = 0; rank < 3; ++rank) EXPECT_EQ(events[rank].at("ts"), rank + 1.0);
}

TEST(MergedTrace, TakesMoreThanOnePieceFromARank) {
  const Scratch scratch;
  on_ranks(2, [&](World& world) {
    RankTrace own;
    own.events.resize(40'000, {.category = "step", .name = "update", .number = world.rank()});
    merge_traces(scratch / "trace.json", world.communicator(), own);
  });
  EXPECT_EQ(events_of_kind(json::parse(text_of(scratch / "trace.json")), "X").size(), 80'000U);
}

TEST(MergedTrace, IsBoundedHoweverManyRanksThereAre) {
  EXPECT_EQ(comm::events_of_each(4), std::size_t{1} << 20);
  EXPECT_EQ(comm::events_of_each(64), std::size_t{1} << 16);
  EXPECT_EQ(comm::events_of_each(1 << 20), 4096U);
}

TEST(MergedTrace, FailsOnEveryRankWhereTheFileCannotBeWrittenAndLeavesNothing) {
  const Scratch scratch;
  std::filesystem::create_directory(scratch / "trace.json");
  on_ranks(2, [&](World& world) {
    const std::string message = message_of<IoError>(
        [&] { comm::write_merged_trace(scratch / "trace.json", world.communicator()); });
    EXPECT_THAT(message, HasSubstr(world.is_root() ? "writing " : "rank 0 could not write"));
    world.communicator().barrier();  // the ranks can go on
  });
  EXPECT_FALSE(std::filesystem::exists(scratch / "trace.json.tmp"));
}

}  // namespace
}  // namespace lockstep::tests
