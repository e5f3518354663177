#include "src/programs/flight_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lockstep::programs {
namespace {

using comm::FailureKind;
using comm::Flight;
using comm::FlightCall;
using testing::HasSubstr;

FlightCall call(std::uint64_t sequence, const std::string& what, bool is_finished) {
  FlightCall made{sequence,
                  false,
                  what,
                  "train.cpp:" + std::to_string(10 + sequence),
                  static_cast<double>(sequence),
                  std::nullopt};
  if (is_finished) made.finished = made.started + 0.5;
  return made;
}

Flight rank(int rank, std::vector<FlightCall> calls, FailureKind kind = FailureKind::others) {
  return {.rank = rank,
          .size = 3,
          .host = "a",
          .pid = 100 + rank,
          .activity = "",
          .failures = {{kind, 50.0 + rank, "trouble of rank " + std::to_string(rank)}},
          .groups = {{0, "", "shm", rank, 3, std::move(calls)}}};
}

TEST(FlightReport, NamesTheRankThatNeverCalled) {
  Flight slow = rank(1, {call(1, "barrier #1", true)});
  slow.activity = "loader.next";
  const std::string text = flight_report(
      {rank(0, {call(1, "barrier #1", true), call(2, "barrier #2", false)}, FailureKind::call),
       slow, rank(2, {call(1, "barrier #1", true), call(2, "barrier #2", false)})});
  EXPECT_THAT(text, HasSubstr("Flight files of 3 processes\n"));
  EXPECT_THAT(text,
              HasSubstr("First failure: rank 0 (host a, pid 100), 1970-01-01 00:00:50.000 UTC\n"
                        "  trouble of rank 0\n"));
  EXPECT_THAT(text,
              HasSubstr("rank 2   barrier #2 at train.cpp:12, started and not finished, 48.0 s "
                        "before the failure\n"));
  EXPECT_THAT(text,
              HasSubstr("Culprit: rank 1 never made barrier #2 at train.cpp:12; its last op was "
                        "barrier #1 at train.cpp:11; it was in loader.next\n"));
}

TEST(FlightReport, NamesTheRankThatFailedByItself) {
  const std::string text =
      flight_report({rank(0, {call(1, "barrier #1", false)}, FailureKind::call),
                     rank(1, {}, FailureKind::others), rank(2, {}, FailureKind::own)});
  // That of rank 0 came first.
  EXPECT_THAT(text,
              HasSubstr("Culprit: rank 1 never made barrier #1 at train.cpp:11; its last op was "
                        "none; rank 2 never made"));
  EXPECT_THAT(flight_report({rank(1, {}, FailureKind::others), rank(2, {}, FailureKind::own)}),
              HasSubstr("Culprit: rank 2 (host a, pid 102), which failed by itself\n"));
}

TEST(FlightReport, NamesTheFirstCallThatTwoRanksMadeDifferently) {
  const std::string text = flight_report(
      {rank(0, {call(1, "barrier #1", true), call(2, "all_reduce #2 (sum, f32 x 8)", true)}),
       rank(1, {call(1, "barrier #1", true), call(2, "all_reduce #2 (sum, f32 x 9)", false)}),
       rank(2, {call(1, "barrier #1", true)})});
  EXPECT_THAT(text,
              HasSubstr("Culprit: rank 0 and rank 1 differ: rank 0 calls all_reduce #2 (sum, f32 "
                        "x 8) at train.cpp:12, rank 1 calls all_reduce #2 (sum, f32 x 9) at "
                        "train.cpp:12\n"));
}

TEST(FlightReport, NamesRanksWithoutAFile) {
  const std::string text =
      flight_report({rank(1, {call(1, "barrier #1", false)}, FailureKind::call)});
  EXPECT_THAT(text, HasSubstr("Flight files of 1 process; none of ranks 0, 2\n"));
  EXPECT_THAT(text, HasSubstr("Culprit: ranks 0, 2, without a file"));
}

TEST(FlightReport, LeavesOutWhatCameAfterTheFirstFailure) {
  const std::string text = flight_report(
      {rank(0, {call(1, "barrier #1", true), call(2, "barrier #2", false)}, FailureKind::call),
       rank(1, {call(1, "barrier #1", true), call(60, "barrier #2", false)}),
       rank(2, {call(1, "barrier #1", true), call(2, "barrier #2", false)})});
  EXPECT_THAT(text, HasSubstr("Culprit: rank 1 never made barrier #2"));
}

}  // namespace
}  // namespace lockstep::programs
