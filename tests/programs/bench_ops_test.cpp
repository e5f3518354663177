#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/subprocess.h"

namespace lockstep::tests {
namespace {

using testing::HasSubstr;

const std::string bench = std::string(LOCKSTEP_PROGRAMS) + "/lockstep-bench-ops";

TEST(BenchOps, ShowsATableAndWritesGoogleBenchmarksSchema) {
  const Scratch scratch;
  const std::string file = scratch / "ops.json";
  const Outcome outcome = run_command(bench + " --mib 4 --only add --json " + file);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("copy GB/s"));
  const auto document = nlohmann::json::parse(text_of(file));
  EXPECT_TRUE(document["context"].contains("date"));
  ASSERT_EQ(document["benchmarks"].size(), 2U);
  const auto& entry = document["benchmarks"][0];
  EXPECT_EQ(entry["name"], "ops/add");
  EXPECT_EQ(entry["run_type"], "iteration");
  EXPECT_GE(entry["iterations"], 20);
  EXPECT_GT(entry["real_time"], 0.0);
  EXPECT_EQ(entry["time_unit"], "ms");
  EXPECT_NEAR(
      entry["share"],
      entry["bytes_per_second"].get<double>() / entry["copy_bytes_per_second"].get<double>(), 1e-9);
  EXPECT_EQ(document["benchmarks"][1]["name"], "ops/tiny/add");
}

TEST(BenchOps, RefusesANameThatNothingHas) {
  const Outcome outcome = run_command(bench + " --mib 1 --only nothing");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--only nothing: no benchmark has that in its name"));
}

TEST(BenchOps, RefusesToRunOnSeveralRanks) {
  const Outcome outcome = run_on_ranks(2, bench);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("run it alone, without mpirun"));
}

TEST(BenchOps, SaysWhereItLookedForTheKernels) {
  const Outcome outcome =
      run_command("LOCKSTEP_PLUGIN_DIR=/nowhere " + bench + " --only tiny/relu");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("backend: no CPU kernels: no file liblockstep_cpu_"));
  EXPECT_THAT(outcome.err, HasSubstr("for this processor in /nowhere"));
  EXPECT_THAT(outcome.err, HasSubstr("fix:   set LOCKSTEP_PLUGIN_DIR to the folder that holds"));
}

TEST(BenchOps, NamesAFileThatItCannotWriteBeforeItMeasures) {
  const Outcome outcome = run_command(bench + " --mib 1 --only tiny/relu --json /nowhere/x.json");
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("writing /nowhere/x.json: No such file or directory"));
  EXPECT_EQ(outcome.out, "");
}

}  // namespace
}  // namespace lockstep::tests
