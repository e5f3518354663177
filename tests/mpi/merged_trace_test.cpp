#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/subprocess.h"

namespace lockstep::tests {
namespace {

using nlohmann::json;

Outcome traced_run(int ranks, const std::filesystem::path& file) {
  return run_command("LOCKSTEP_TRACE=" + file.string() + " " + LOCKSTEP_UNDER_MPIRUN + " " +
                     LOCKSTEP_MPIRUN + " " + std::to_string(ranks) + " " + TRACED);
}

TEST(MergedTrace, IsWhatLockstepTraceGivesUnderMpirun) {
  const Scratch scratch;
  const Outcome run = traced_run(3, scratch / "trace.json");
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const json trace = json::parse(text_of(scratch / "trace.json"));
  std::map<int, std::map<int, double>> ends;  // by barrier and rank
  for (const json& event : trace.at("traceEvents")) {
    if (event.at("name") == "barrier") {
      ends[event.at("args").at("number")][event.at("pid")] =
          event.at("ts").get<double>() + event.at("dur").get<double>();
    }
  }
  ASSERT_GE(ends.size(), 30U);
  double least = 1e9;
  for (const auto& [number, of_ranks] : ends) {
    ASSERT_EQ(of_ranks.size(), 3U) << number;
    const auto [first, last] = std::minmax({of_ranks.at(0), of_ranks.at(1), of_ranks.at(2)});
    least = std::min(least, last - first);
  }
  EXPECT_LT(least, 5'000);  // microseconds; ranks that share cores leave one after the other
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(scratch.folder()))
    files.insert(entry.path().filename());
  EXPECT_THAT(files, testing::ElementsAre("trace.json"));
}

TEST(MergedTrace, WarnsOnceAndLeavesTheCodeAloneWhereItCannotBeWritten) {
  const Scratch scratch;
  std::filesystem::create_directory(scratch / "trace.json");
  const Outcome run = traced_run(2, scratch / "trace.json");
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.err, testing::HasSubstr("warning: writing"));
}

}  // namespace
}  // namespace lockstep::tests
