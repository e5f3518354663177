#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/subprocess.h"

namespace lockstep::tests {
namespace {

using testing::HasSubstr;

const std::string bench = std::string(LOCKSTEP_PROGRAMS) + "/lockstep-bench-scaling";
const std::string quick = bench + " --pairs 6 --steps 1 --warmup 1 --batch 4";

nlohmann::json entries_of(const std::filesystem::path& json) {
  return nlohmann::json::parse(text_of(json))["benchmarks"];
}

TEST(BenchScaling, WritesOneEntryForEachSetting) {
  const Scratch scratch;
  const std::string json = scratch / "scaling.json";
  const Outcome outcome = run_on_ranks(
      2, quick + " --shards 2,4 --buckets planned,64K --tails plain,fused --json " + json);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto entries = entries_of(json);
  ASSERT_EQ(entries.size(), 8U);
  EXPECT_EQ(entries[0]["name"], "scaling/mlp/f32/2_ranks/2_shards/planned/plain/lockstep");
  EXPECT_EQ(entries[7]["name"], "scaling/mlp/f32/2_ranks/4_shards/64K/fused/lockstep");
  for (const auto& entry : entries) {
    EXPECT_EQ(entry["iterations"], 6);
    EXPECT_GT(entry.at("step_ms"), 0.0);
    EXPECT_GT(entry.at("solo_ms"), 0.0);
    EXPECT_LE(entry.at("exposed_pct_low"), entry.at("exposed_pct"));
    EXPECT_GE(entry.at("exposed_pct_high"), entry.at("exposed_pct"));
  }
  EXPECT_THAT(outcome.out, HasSubstr("64K/fused/lockstep"));
}

TEST(BenchScaling, TrainsOnFewerRanksThanWereStarted) {
  const Scratch scratch;
  const std::string json = scratch / "scaling.json";
  const Outcome outcome =
      run_on_ranks(2, quick + " --ranks 1,2 --shards 2 --sums lockstep,fast --json " + json);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto entries = entries_of(json);
  ASSERT_EQ(entries.size(), 4U);
  EXPECT_EQ(entries[0]["name"], "scaling/mlp/f32/1_ranks/2_shards/planned/automatic/lockstep");
  EXPECT_EQ(entries[3]["name"], "scaling/mlp/f32/2_ranks/2_shards/planned/automatic/fast");
}

TEST(BenchScaling, ComparesWithTheSameRanksWithoutAGuarantee) {
  const Scratch scratch;
  const std::string json = scratch / "scaling.json";
  for (const std::string against : {"fast", "unguarded", "unsaved"}) {
    std::string command = bench + " --pairs 6 --steps 60 --warmup 1 --batch 4 --shards 2";
    command.append(" --against ").append(against).append(" --json ").append(json);
    const Outcome outcome = run_on_ranks(2, command);
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    const auto entries = entries_of(json);
    ASSERT_EQ(entries.size(), 1U);
    EXPECT_EQ(entries[0]["name"],
              "scaling/mlp/f32/2_ranks/2_shards/planned/automatic/lockstep/against_" + against);
    EXPECT_GT(entries[0].at(against + "_ms"), 0.0);
    EXPECT_LE(entries[0].at("cost_pct_low"), entries[0].at("cost_pct"));
    EXPECT_FALSE(entries[0].contains("exposed_pct"));
  }
}

TEST(BenchScaling, RunsAlone) {
  const Outcome outcome = run_command(quick + " --shards 1");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("# mlp, transport self; 6 pairs of 1 steps"));
}

TEST(BenchScaling, RefusesMistakesWithExitCode2) {
  const std::pair<const char*, std::vector<const char*>> mistakes[] = {
      {" --workload lenet", {"--workload lenet is not known"}},
      {" --tails plain,fuse", {"--tails fuse is not known", "did you mean fused?"}},
      {" --sums quick", {"--sums quick is not known"}},
      {" --against slow", {"--against slow is not known"}},
      {" --shards 0", {"--shards 0 is not a whole number from 1 to 1000000"}},
      {" --shards 2,,3", {"--shards  is not a whole number", "separated by commas"}},
      {" --buckets 4Q", {"--buckets 4Q is not a whole number"}},
      {" --ranks 2", {"--ranks 2 is not a whole number from 1 to 1"}},
      {" --pairs 0", {"--pairs 0 is not a whole number of at least 1"}},
      {" --bucket 1M", {"did you mean --buckets?"}},
  };
  for (const auto& [flags, messages] : mistakes) {
    const Outcome outcome = run_command(bench + flags);
    EXPECT_EQ(outcome.exit_code, 2) << flags;
    for (const char* message : messages) EXPECT_THAT(outcome.err, HasSubstr(message));
  }
}

}  // namespace
}  // namespace lockstep::tests
