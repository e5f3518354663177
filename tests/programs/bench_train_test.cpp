#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "tests/support/subprocess.h"

namespace lockstep::tests {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string bench = std::string(LOCKSTEP_PROGRAMS) + "/lockstep-bench-train";
const std::string quick = bench + " --workload mlp --batch 24 --steps 6 --warmup 2";

std::vector<double> losses_of(const std::filesystem::path& file) {
  std::istringstream text(text_of(file));
  std::vector<double> losses;
  for (double loss = 0; text >> loss;) losses.push_back(loss);
  return losses;
}

TEST(BenchTrain, WritesOneEntryWithItsCountersAndOneLossAStep) {
  const Scratch scratch;
  const std::string json = scratch / "train.json";
  const Outcome outcome =
      run_on_ranks(2, quick + " --json " + json + " --losses " + (scratch / "losses").string());
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("2 ranks, batch 24, 6 steps after 2 of warm-up\n"));
  const auto document = nlohmann::json::parse(text_of(json));
  ASSERT_EQ(document["benchmarks"].size(), 1U);
  const auto& entry = document["benchmarks"][0];
  EXPECT_EQ(entry["name"], "train/mlp/f32/lockstep/data_parallel");
  EXPECT_EQ(entry["iterations"], 6);
  for (const char* counter :
       {"step_ms", "step_ms_p10", "step_ms_p90", "limit_ms", "samples_per_s", "peak_mib"}) {
    EXPECT_GT(entry.at(counter), 0.0) << counter;
  }
  EXPECT_GE(entry["wait_ms"], 0.0);
  EXPECT_NEAR(entry["samples_per_s"].get<double>(), 24e3 / entry["step_ms"].get<double>(), 1e-3);
  EXPECT_EQ(losses_of(scratch / "losses").size(), 8U);
}

// As many as its twin, benchmarks/peers/train.py, whose losses are compared with these.
TEST(BenchTrain, WarmsUpForEightStepsOrAFifthOfThem) {
  for (const int steps : {6, 60}) {
    const Outcome outcome =
        run_command(bench + " --workload mlp --batch 4 --steps " + std::to_string(steps));
    EXPECT_THAT(outcome.out, HasSubstr(" steps after " + std::to_string(std::max(8, steps / 5)) +
                                       " of warm-up\n"));
  }
}

TEST(BenchTrain, ReplacesAnOldJsonFile) {
  const Scratch scratch;
  const std::string json = scratch / "train.json";
  std::ofstream(json) << std::string(100'000, 'x');
  ASSERT_EQ(run_command(quick + " --json " + json).exit_code, 0);
  EXPECT_EQ(nlohmann::json::parse(text_of(json))["benchmarks"].size(), 1U);
}

TEST(BenchTrain, HasExactlyTheSameLossesOnOneAndTwoRanks) {
  const Scratch scratch;
  for (const std::string workload : {"mlp", "cnn", "mlp --dtype bf16"}) {
    std::string command = "env LOCKSTEP_SHARDS=2 ";
    command.append(bench).append(" --workload ").append(workload);
    command.append(" --batch 13 --steps 4 --warmup 0 --losses ");
    const auto one = scratch / "one", two = scratch / "two";
    ASSERT_EQ(run_command(command + one.string()).exit_code, 0);
    ASSERT_EQ(run_on_ranks(2, command + two.string()).exit_code, 0);
    EXPECT_EQ(losses_of(one), losses_of(two));
    EXPECT_LT(losses_of(one).back(), losses_of(one).front() * 1.5);
  }
}

TEST(BenchTrain, TrainsRanksOnTheirOwnWithSolo) {
  const Scratch scratch;
  const std::string json = scratch / "train.json";
  const Outcome outcome = run_on_ranks(2, quick + " --solo --json " + json);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto entry = nlohmann::json::parse(text_of(json))["benchmarks"][0];
  EXPECT_EQ(entry["name"], "train/mlp/f32/lockstep/solo");
  EXPECT_LT(entry["wait_ms"], 0.1);
}

TEST(BenchTrain, ComputesInHalfPrecision) {
  const Scratch scratch;
  const std::string json = scratch / "train.json";
  const Outcome outcome = run_command(quick + " --dtype bf16 --json " + json);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto entry = nlohmann::json::parse(text_of(json))["benchmarks"][0];
  EXPECT_EQ(entry["name"], "train/mlp/bf16/lockstep/data_parallel");
}

TEST(BenchTrain, WritesWeightsAndBatchesForItsTwin) {
  const Scratch scratch;
  const std::string file = scratch / "inputs.safetensors";
  ASSERT_EQ(run_command(bench + " --workload cnn --batch 6 --steps 2 --warmup 1 --inputs " + file)
                .exit_code,
            0);
  const std::string bytes = text_of(file);
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  const auto header = nlohmann::json::parse(bytes.substr(8, header_bytes));
  EXPECT_THAT(header["0.weight"]["shape"], ElementsAre(32, 3, 3, 1));
  EXPECT_THAT(header["3.weight"]["shape"], ElementsAre(64, 3, 3, 32));
  EXPECT_THAT(header["7.weight"]["shape"], ElementsAre(128, 3136));
  EXPECT_THAT(header["9.bias"]["shape"], ElementsAre(10));
  EXPECT_THAT(header["batch.x"]["shape"], ElementsAre(3, 6, 28, 28, 1));
  EXPECT_EQ(header["batch.x"]["dtype"], "F32");
  EXPECT_THAT(header["batch.y"]["shape"], ElementsAre(3, 6));
  EXPECT_EQ(header["batch.y"]["dtype"], "I64");
}

TEST(BenchTrain, RefusesMistakesWithExitCode2) {
  const std::pair<const char*, const char*> mistakes[] = {
      {" --workload lenet", "--workload lenet is not known"},
      {" --dtype f64", "--dtype f64 is not known"},
      {" --steps 0", "--steps 0 is not a whole number of at least 1"},
      {" --batch 0", "--batch 0 is not a whole number of at least 1"},
      {" --warm-up 3", "did you mean --warmup?"},
  };
  for (const auto& [flags, message] : mistakes) {
    const Outcome outcome = run_command(bench + flags);
    EXPECT_EQ(outcome.exit_code, 2) << flags;
    EXPECT_THAT(outcome.err, HasSubstr(message));
  }
  const Outcome outcome = run_on_ranks(2, bench + " --batch 1");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--batch 1 for 2 ranks"));
  EXPECT_THAT(outcome.err, HasSubstr("fix:   give every rank at least one sample"));
}

}  // namespace
}  // namespace lockstep::tests
