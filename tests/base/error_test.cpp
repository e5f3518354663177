#include "lockstep/base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace lockstep {
namespace {

using testing::MatchesRegex;
using testing::StartsWith;

TEST(Error, SaysWhatWhereAndHowToFixIt) {
  const ShapeError error({"add: shapes differ", "reshape one"});
  EXPECT_THAT(error.what(), MatchesRegex("add: shapes differ\n  where: error_test.cpp:[0-9]+\n"
                                         "  fix:   reshape one"));
  EXPECT_EQ(error.problem(), "add: shapes differ");
  EXPECT_EQ(error.fix(), "reshape one");
}

TEST(Error, NamesWhoeverDescribedItsThread) {
  std::thread([] {
    describe_thread("rank 3 of 4");
    EXPECT_THAT(IoError({"a", "b"}).where(), StartsWith("rank 3 of 4, error_test.cpp:"));
    EXPECT_THAT(IoError({"a", "b", "rank 1 of 2, cuda:1"}).where(),
                StartsWith("rank 1 of 2, cuda:1, error_test.cpp:"));
  }).join();
  EXPECT_THAT(IoError({"a", "b"}).where(), StartsWith("error_test.cpp:"));
}

TEST(Error, IsCaughtByItsBase) {
  EXPECT_THROW(throw UsageError({"a", "b"}), Error);
  EXPECT_THROW(throw CommError({"a", "b"}), std::runtime_error);
}

TEST(Check, DescribesFailuresOnly) {
  int described = 0;
  const auto describe = [&] {
    ++described;
    return Complaint{"a", "b"};
  };
  check<DTypeError>(true, describe);
  EXPECT_EQ(described, 0);
  EXPECT_THROW(check<DTypeError>(false, describe), DTypeError);
  EXPECT_EQ(described, 1);
}

}  // namespace
}  // namespace lockstep
