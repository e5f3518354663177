#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <sstream>

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
  EXPECT_THAT(outcome.err, HasSubstr("fix:   install the package dataset-fashion-mnist"));
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
