#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <sstream>
#include <system_error>

#include "tests/support/subprocess.h"

namespace lockstep::tests {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;

const std::string quickstart = std::string(LOCKSTEP_PROGRAMS) + "/lockstep-quickstart";

void append_number(std::string& bytes, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xffU);
}

// Images whose brightness is their label, in the files of Fashion-MNIST.
void write_split(const Scratch& folder, const std::string& prefix, std::uint32_t count) {
  std::string images{"\0\0\x08\x03", 4};
  for (const std::uint32_t size : {count, 28U, 28U}) append_number(images, size);
  std::string labels{"\0\0\x08\x01", 4};
  append_number(labels, count);
  std::mt19937 random(1);
  for (std::uint32_t i = 0; i < count; ++i) {
    labels += static_cast<char>(i % 10);
    for (int pixel = 0; pixel < 28 * 28; ++pixel) {
      images += static_cast<char>(i % 10 * 24 + random() % 16);
    }
  }
  std::ofstream(folder / (prefix + "-images-idx3-ubyte"), std::ios::binary) << images;
  std::ofstream(folder / (prefix + "-labels-idx1-ubyte"), std::ios::binary) << labels;
}

TEST(Quickstart, LeavesModelCurvesAndMetricsAndEndsWithItsAccuracy) {
  const Scratch scratch;
  write_split(scratch, "train", 1000);
  write_split(scratch, "t10k", 100);
  const std::string out = scratch / "run";
  const Outcome outcome =
      run_on_ranks(2, quickstart + " --epochs 6 --batch 32 --one-rank-rate 100 --data " +
                          scratch.folder().string() + " --out " + out);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("on 2 ranks\n"));
  EXPECT_THAT(outcome.out, ContainsRegex("speed-up +[0-9.]+ times one rank"));
  EXPECT_THAT(outcome.out, ContainsRegex("\ntest accuracy [01]\\.[0-9][0-9][0-9]\n$"));
  EXPECT_GT(std::stod(outcome.out.substr(outcome.out.rfind(' '))), 0.5) << outcome.out;
  EXPECT_THAT(outcome.err, HasSubstr("epoch 6/6"));
  for (const char* file : {"model.safetensors", "curves.svg", "metrics.csv", "metrics.jsonl"}) {
    EXPECT_GT(std::filesystem::file_size(scratch / (std::string("run/") + file)), 0U) << file;
  }
}

// The newest step of a folder of checkpoints; 0 without one.
int newest_step(const std::filesystem::path& folder) {
  int newest = 0;
  std::error_code absent;
  for (const auto& entry : std::filesystem::directory_iterator(folder, absent)) {
    const std::string name = entry.path().filename().string();
    if (name.find(".tmp-") == std::string::npos)
      newest = std::max(newest, std::stoi(name.substr(5)));
  }
  return newest;
}

// Starts `command` in a shell, sends it SIGUSR1 when `file` is there, and waits for its end.
Outcome signalled(const std::string& command, const std::filesystem::path& file) {
  return run_command(command + " & pid=$!; while [ ! -e " + file.string() +
                     " ] && kill -0 $pid; do sleep 0.05; done; kill -USR1 $pid; wait $pid");
}

TEST(Quickstart, SavesAtASignalEndsWith75AndGoesOnExactlyOnOtherRanks) {
  const Scratch scratch;
  write_split(scratch, "train", 400);
  write_split(scratch, "t10k", 100);
  const std::string out = scratch / "run";
  const std::string flags =
      " --epochs 1000 --batch 32 --data " + scratch.folder().string() + " --out " + out;
  const std::string on_ranks = std::string(LOCKSTEP_UNDER_MPIRUN) + " " + LOCKSTEP_MPIRUN + " ";
  const Outcome first = signalled(on_ranks + "2 " + quickstart + flags, scratch / "run/last");
  EXPECT_EQ(first.exit_code, 75) << first.err;
  EXPECT_THAT(first.err, HasSubstr("stopped by a signal after step"));
  const int steps = newest_step(scratch / "run/last");
  EXPECT_GT(steps, 0);

  const Outcome refused =
      run_command("LOCKSTEP_SHARDS=3 " + quickstart + flags + " --exact --resume " + out);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("an exact resume is asked for, but shards: 2 when it was "
                                     "saved, 3 now"));

  const auto next = scratch / ("run/last/step-" + std::to_string((steps / 13 + 1) * 13));
  const Outcome second = signalled(quickstart + flags + " --exact --resume " + out, next);
  EXPECT_EQ(second.exit_code, 75) << second.err;
  EXPECT_GT(newest_step(scratch / "run/last"), steps);
}

TEST(Quickstart, PrintsNothingButTheRateWhereItIsAskedFor) {
  const Scratch scratch;
  write_split(scratch, "train", 2000);
  write_split(scratch, "t10k", 100);
  const Outcome outcome =
      run_command(quickstart + " --measure-rate --batch 50 --data " + scratch.folder().string());
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, testing::MatchesRegex("[0-9]+\\.[0-9]\n"));
}

TEST(Quickstart, NamesAMissingDataSetWithExitCode3) {
  const Scratch scratch;
  const Outcome outcome = run_command(quickstart + " --data " + (scratch / "none").string() +
                                      " --out " + (scratch / "run").string());
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr((scratch / "none").string()));
  EXPECT_THAT(outcome.err,
              HasSubstr("fix:   name the folder that holds Fashion-MNIST's four files"));
}

TEST(Quickstart, NamesAFolderThatItCannotWriteWithExitCode3) {
  const Scratch scratch;
  write_split(scratch, "train", 100);
  write_split(scratch, "t10k", 100);
  std::ofstream(scratch / "file") << "in the way";
  const Outcome outcome = run_command(quickstart + " --data " + scratch.folder().string() +
                                      " --out " + (scratch / "file").string());
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err, HasSubstr((scratch / "file").string()));
}

}  // namespace
}  // namespace lockstep::tests
