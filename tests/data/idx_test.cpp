#include "lockstep/data/idx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <zlib.h>

#include <cstring>
#include <random>

#include "lockstep/base/error.h"
#include "tests/support/failure.h"
#include "tests/support/scratch.h"

namespace lockstep::data {
namespace {

using testing::HasSubstr;
using tests::failure_of;
using tests::Scratch;

const std::string small = {0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, char(255)};

std::filesystem::path written(const Scratch& scratch, const std::string& bytes) {
  auto file = scratch / "file";
  std::ofstream(file, std::ios::binary) << bytes;
  return file;
}

std::filesystem::path packed(const Scratch& scratch, const std::string& bytes) {
  auto file = scratch / "file.gz";
  const gzFile out = gzopen(file.c_str(), "wb9");
  gzwrite(out, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(out);
  return file;
}

std::string problem_of(const std::filesystem::path& file) {
  const auto error = failure_of<IoError>([&] { read_idx(file); });
  EXPECT_THAT(error.problem(), HasSubstr(file.string()));
  EXPECT_FALSE(error.fix().empty());
  return error.problem();
}

TEST(Idx, ReadsPlainAndPackedFilesAlike) {
  const Scratch scratch;
  for (const auto& file : {written(scratch, small), packed(scratch, small)}) {
    const Tensor x = read_idx(file);
    EXPECT_EQ(x.shape(), (Shape{2, 3}));
    EXPECT_EQ(x.dtype(), DType::u8);
    EXPECT_EQ(x.to_vector<int>(), (std::vector{1, 2, 3, 4, 5, 255}));
  }
}

TEST(Idx, ReadsBigEndianElements) {
  const Scratch scratch;
  const std::string ints = {0, 0, 0x0c, 1, 0,         0,         0,         2,
                            0, 0, 1,    2, char(255), char(255), char(255), char(254)};
  EXPECT_EQ(read_idx(written(scratch, ints)).to_vector<int>(), (std::vector{258, -2}));
  const std::string floats = {0, 0, 0x0d, 1, 0, 0, 0, 1, 0x3f, char(0xc0), 0, 0};
  EXPECT_EQ(read_idx(written(scratch, floats)).to_vector<float>(), std::vector{1.5F});
}

TEST(Idx, ReadsFilesWithoutElements) {
  const Scratch scratch;
  const std::string none = {0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0, 28};
  EXPECT_EQ(read_idx(packed(scratch, none)).shape(), (Shape{0, 28}));
}

TEST(Idx, NamesAMissingFile) {
  const Scratch scratch;
  EXPECT_THAT(problem_of(scratch / "absent"), HasSubstr("No such file"));
}

TEST(Idx, RefusesAPipeAtOnce) {
  const Scratch scratch;
  ASSERT_EQ(::mkfifo((scratch / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(failure_of<IoError>([&] { read_idx(scratch / "pipe"); }).problem(),
              HasSubstr("it is not a file"));
}

TEST(Idx, RefusesEveryTruncation) {
  const Scratch scratch;
  for (std::size_t length = 0; length < small.size(); ++length) {
    EXPECT_THAT(problem_of(written(scratch, small.substr(0, length))),
                testing::AnyOf(HasSubstr("ends after"), HasSubstr("more than it can hold"),
                               HasSubstr("it holds")))
        << length;
  }
}

TEST(Idx, RefusesEveryTruncationOfAPackedFile) {
  const Scratch scratch;
  const std::string whole = tests::text_of(packed(scratch, small));
  for (std::size_t length = 2; length < whole.size(); ++length) {
    EXPECT_THAT(problem_of(written(scratch, whole.substr(0, length))),
                HasSubstr("a truncated file"))
        << length;
  }
}

TEST(Idx, RefusesEveryFlippedByteOfPackedElements) {
  const Scratch scratch;
  std::string long_file = {0, 0, 8, 1, 0, 0, 4, 0};
  std::mt19937 random(3);
  for (int i = 0; i < 1024; ++i) long_file.push_back(static_cast<char>(random()));
  const std::string whole = tests::text_of(packed(scratch, long_file));
  for (std::size_t i = 20; i < whole.size(); i += 7) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    EXPECT_THAT(problem_of(written(scratch, damaged)),
                testing::AnyOf(HasSubstr("the compressed data are corrupt"),
                               HasSubstr("a truncated file"), HasSubstr("ends after"),
                               HasSubstr("holds more"), HasSubstr("follows the compressed data")))
        << i;
  }
}

TEST(Idx, RefusesMoreElementsThanItsHeaderSays) {
  const Scratch scratch;
  EXPECT_THAT(problem_of(written(scratch, small + 'x')), HasSubstr("holds more"));
  EXPECT_THAT(problem_of(packed(scratch, small + 'x')), HasSubstr("holds more"));
  const std::string whole = tests::text_of(packed(scratch, small));
  EXPECT_THAT(problem_of(written(scratch, whole + 'x')), HasSubstr("follows the compressed data"));
}

TEST(Idx, RefusesAnotherFormat) {
  const Scratch scratch;
  EXPECT_THAT(problem_of(written(scratch, "\x89PNG and so on")), HasSubstr("89 50 4e 47"));
  EXPECT_THAT(problem_of(written(scratch, {0, 0, 0x0b, 1, 0, 0, 0, 0})), HasSubstr("0x0b"));
  EXPECT_THAT(problem_of(written(scratch, {0, 0, 8, 9, 0, 0, 0, 0})), HasSubstr("9 axes"));
}

TEST(Idx, RefusesAHeaderThatPromisesMoreThanTheFileCanHold) {
  const Scratch scratch;
  std::string huge = {0, 0, 8, 2, 0x7f, 0, 0, 0, 0x7f, 0, 0, 0};
  EXPECT_THAT(problem_of(written(scratch, huge)), HasSubstr("more than it can hold"));
  EXPECT_THAT(problem_of(packed(scratch, huge)), HasSubstr("more than it can hold"));
  huge = {0, 0, 8, 3, 0x7f, 0, 0, 0, 0x7f, 0, 0, 0, 0x7f, 0, 0, 0};
  EXPECT_THAT(problem_of(packed(scratch, huge)), HasSubstr("impossible"));
}

}  // namespace
}  // namespace lockstep::data
