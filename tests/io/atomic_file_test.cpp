#include "lockstep/io/atomic_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockstep/base/error.h"
#include "tests/support/failure.h"
#include "tests/support/scratch.h"
#include "tests/support/small_disk.h"

namespace lockstep::io {
namespace {

using testing::HasSubstr;
using tests::failure_of;
using tests::Scratch;
using tests::text_of;

std::size_t files_in(const std::filesystem::path& folder) {
  using Files = std::filesystem::directory_iterator;
  return static_cast<std::size_t>(std::distance(Files(folder), Files()));
}

TEST(AtomicFile, ShowsNothingBeforeItIsPublished) {
  const Scratch scratch;
  replace_file(scratch / "a", "old");
  AtomicFile file(scratch / "a");
  file.write("new", 3);
  EXPECT_EQ(text_of(scratch / "a"), "old");
  file.publish();
  EXPECT_EQ(text_of(scratch / "a"), "new");
  EXPECT_EQ(files_in(scratch.folder()), 1U);
}

TEST(AtomicFile, LeavesNothingBehindWhenItIsNotPublished) {
  const Scratch scratch;
  { AtomicFile(scratch / "a").write("new", 3); }
  EXPECT_EQ(files_in(scratch.folder()), 0U);
}

TEST(AtomicFile, MakesTheFolder) {
  const Scratch scratch;
  replace_file(scratch / "b/c/d", "text");
  EXPECT_EQ(text_of(scratch / "b/c/d"), "text");
}

TEST(AtomicFile, KeepsTheOldFileWhenTheDiskIsFull) {
  const tests::SmallDisk disk;
  if (!disk.is_there()) GTEST_SKIP() << "mounting a small disk needs root";
  const auto path = disk.folder() / "a";
  replace_file(path, "old");
  const std::string large(2 << 20, 'x');
  const auto error = failure_of<IoError>([&] { replace_file(path, large); });
  EXPECT_THAT(error.problem(), HasSubstr(path.string() + ": No space left on device"));
  EXPECT_THAT(error.fix(), HasSubstr("free some space"));
  EXPECT_EQ(text_of(path), "old");
  EXPECT_EQ(files_in(disk.folder()), 1U);
}

TEST(AtomicFile, NamesAPathThatCannotBe) {
  const Scratch scratch;
  replace_file(scratch / "a", "file");
  const auto error = failure_of<IoError>([&] { replace_file(scratch / "a/b", ""); });
  EXPECT_THAT(error.problem(), HasSubstr("Not a directory"));
}

}  // namespace
}  // namespace lockstep::io
