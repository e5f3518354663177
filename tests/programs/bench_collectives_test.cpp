#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "tests/support/subprocess.h"

namespace lockstep::tests {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string bench = std::string(LOCKSTEP_PROGRAMS) + "/lockstep-bench-collectives";
const std::string quick = bench + " --min 1K --max 64K --factor 64 --warmup 1 --repeats 3";

nlohmann::json entries_of(const std::filesystem::path& json) {
  return nlohmann::json::parse(text_of(json))["benchmarks"];
}

TEST(BenchCollectives, WritesOneEntryForEachSizeAndPlacement) {
  const Scratch scratch;
  const std::string json = scratch / "all_reduce.json";
  const Outcome outcome = run_on_ranks(2, quick + " --json " + json);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto entries = entries_of(json);
  ASSERT_EQ(entries.size(), 4U);
  EXPECT_THAT(entries[0]["name"], HasSubstr("collectives/all_reduce/f32/"));
  EXPECT_THAT(entries[0]["name"], HasSubstr("/1024/out_of_place"));
  EXPECT_THAT(entries[3]["name"], HasSubstr("/65536/in_place"));
  for (const auto& entry : entries) {
    for (const char* counter :
         {"size", "algbw_gbs", "busbw_gbs", "mpi_algbw_gbs", "limit_algbw_gbs"})
      EXPECT_GT(entry.at(counter), 0.0) << counter;
    EXPECT_GE(entry.at("check_us"), 0.0);
    EXPECT_EQ(entry.at("wrong"), 0.0);
    EXPECT_EQ(entry["iterations"], 3);
    EXPECT_NEAR(entry["algbw_gbs"].get<double>(),
                1e-3 * entry["size"].get<double>() / entry["time_us"].get<double>(), 1e-9);
    EXPECT_EQ(entry["busbw_gbs"], entry["algbw_gbs"]);  // 2 (n - 1) / n = 1
  }
}

TEST(BenchCollectives, PrintsTheColumnsOfNcclTestsAndAClosingAverage) {
  const Outcome outcome = run_on_ranks(2, quick);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const char* column : {"size", "count", "type", "redop", "root", "time", "algbw", "busbw",
                             "#wrong", "out of place", "in place"})
    EXPECT_THAT(outcome.out, HasSubstr(column));
  EXPECT_THAT(outcome.out, HasSubstr("# average bus bandwidth: "));
}

TEST(BenchCollectives, FindsEveryCollectiveRightOnThreeRanks) {
  // What busbw is of algbw on three ranks, and the placements.
  const std::map<std::string, std::pair<double, std::size_t>> ops{
      {"all_reduce", {4.0 / 3, 2}}, {"reduce_scatter", {2.0 / 3, 2}},
      {"all_gather", {2.0 / 3, 2}}, {"broadcast", {1, 1}},
      {"reduce", {1, 2}},           {"gather", {2.0 / 3, 2}},
      {"scatter", {2.0 / 3, 2}},    {"all_to_all", {2.0 / 3, 2}},
      {"send_receive", {1, 1}},     {"barrier", {1, 1}}};
  const Scratch scratch;
  for (const auto& [op, figures] : ops) {
    const std::string json = scratch / (op + ".json");
    std::string command = bench;
    command.append(" --root 0 --min 4000 --max 4000 --warmup 0 --repeats 2");
    command.append(" --op ").append(op).append(" --json ").append(json);
    const Outcome outcome = run_on_ranks(3, command);
    ASSERT_EQ(outcome.exit_code, 0) << op << outcome.err;
    const auto entries = entries_of(json);
    ASSERT_EQ(entries.size(), figures.second) << op;
    for (const auto& entry : entries) {
      EXPECT_EQ(entry["wrong"], 0.0) << op;
      EXPECT_NEAR(entry["busbw_gbs"].get<double>(),
                  figures.first * entry["algbw_gbs"].get<double>(), 1e-9)
          << op;
    }
  }
}

TEST(BenchCollectives, FindsEveryTypeAndReductionRight) {
  const std::pair<std::string, std::string> pairs[] = {
      {"f64", "product"}, {"f32", "mean"}, {"f16", "mean"}, {"bf16", "sum"}, {"i64", "min"},
      {"i8", "sum"},      {"u8", "max"},   {"bool", "min"}, {"bool", "max"}};
  for (const auto& [dtype, redop] : pairs) {
    std::string command = bench;
    command.append(" --min 80000 --max 80000 --warmup 0 --repeats 1");
    command.append(" --dtype ").append(dtype).append(" --redop ").append(redop);
    const Outcome outcome = run_on_ranks(2, command);
    EXPECT_EQ(outcome.exit_code, 0) << dtype << " " << redop << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("# wrong elements: 0\n"));
  }
}

TEST(BenchCollectives, RunsAloneInSharedMemoryAndOnHeapMemory) {
  const Outcome alone = run_command(quick + " --transport self");
  EXPECT_EQ(alone.exit_code, 0) << alone.err;
  EXPECT_THAT(alone.out, HasSubstr("1 ranks, transport self, arena memory"));
  const Outcome shared = run_on_ranks(2, quick + " --transport shm");
  EXPECT_EQ(shared.exit_code, 0) << shared.err;
  EXPECT_THAT(shared.out, HasSubstr("2 ranks, transport shm, arena memory"));
  const Outcome heap = run_on_ranks(2, quick + " --memory heap --transport mpi");
  EXPECT_EQ(heap.exit_code, 0) << heap.err;
  EXPECT_THAT(heap.out, HasSubstr("transport mpi, heap memory"));
  EXPECT_THAT(heap.out, HasSubstr("limit: algbw of one copy by every rank of its own memory"));
}

TEST(BenchCollectives, RefusesMistakesWithExitCode2) {
  const std::pair<const char*, std::vector<const char*>> mistakes[] = {
      {" --op allreduce", {"--op allreduce is not known", "did you mean all_reduce? give one of"}},
      {" --dtype f33", {"--dtype f33 is not known", "did you mean f32?"}},
      {" --redop average", {"--redop average is not known", "give one of sum, mean"}},
      {" --transport nccl", {"--transport nccl is not known", "give one of auto"}},
      {" --min 4Q", {"--min 4Q is not a number of bytes of at least 1", "suffix K, M or G"}},
      {" --min 4M --max 4K", {"--min 4194304 is more than --max 4096", "no less than --min"}},
      {" --min 1001", {"--min 1001 is no multiple of the 4 bytes of f32", "give 1004 bytes"}},
      {" --max 4097", {"--max 4097 is no multiple of the 4 bytes of f32", "give 4100 bytes"}},
      {" --factor 0", {"--factor 0 is not a whole number of at least 1"}},
      {" --op broadcast --root 1", {"--root 1 of 1 ranks", "give a root below 1"}},
      {" --dtype bool", {"--redop sum of bool", "give --redop min or max"}},
      {" --dtype i32 --redop mean", {"--redop mean of i32", "give --redop sum"}},
      {" --repeats 0", {"--repeats 0 is not a whole number of at least 1"}},
  };
  for (const auto& [flags, messages] : mistakes) {
    const Outcome outcome = run_command(bench + flags);
    EXPECT_EQ(outcome.exit_code, 2) << flags;
    for (const char* message : messages) EXPECT_THAT(outcome.err, HasSubstr(message));
  }
  const Outcome outcome = run_on_ranks(2, bench + " --transport self");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--transport self on 2 ranks"));
  EXPECT_THAT(outcome.err, HasSubstr("fix:   start it without mpirun"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("algbw")));
}

}  // namespace
}  // namespace lockstep::tests
