#include "src/comm/diagnosis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <random>

namespace lockstep::comm {
namespace {

using testing::HasSubstr;
using testing::Not;

RankView at_collective(std::uint64_t sequence, int pid) {
  RankView view;
  view.status = {.host = "b", .pid = pid, .activity = "", .groups = {}};
  view.status.groups.push_back({.group = 0,
                                .transport = "mpi",
                                .rank = pid % 10,
                                .collective = sequence,
                                .is_finished = true,
                                .age_ms = 298'000,
                                .last = "all_reduce #41 (sum, f32 x 10) at train.cpp:118"});
  view.is_connected = true;
  view.process = 'S';
  return view;
}

const Question asked{.group = 0, .sequence = 42, .peer = -1, .transport = "mpi"};

TEST(Diagnosis, NamesTheRankThatIsBehindWithItsLastOpAndState) {
  std::vector<RankView> ranks{at_collective(42, 120), at_collective(41, 121)};
  ranks[1].process = 'T';
  EXPECT_EQ(diagnosis(ranks, asked),
            "rank 1 (host b, pid 121, stopped) never arrived; its last op was all_reduce #41 (sum, "
            "f32 x 10) at train.cpp:118, finished 298 s ago");
}

TEST(Diagnosis, TellsOfARankThatArrivedAndWasStopped) {
  std::vector<RankView> ranks{at_collective(42, 120), at_collective(42, 121)};
  EXPECT_EQ(diagnosis(ranks, asked),
            "every rank has made this call: one is slow, or its network is");
  ranks[1].silence = std::chrono::seconds(12);  // on another host its state is not seen
  EXPECT_THAT(diagnosis(ranks, asked), HasSubstr("rank 1 (host b, pid 121, silent for 12 s) has "
                                                 "arrived and goes no further"));
}

TEST(Diagnosis, LeavesOutRanksOfOtherGroups) {
  std::vector<RankView> ranks{at_collective(42, 120), at_collective(41, 121)};
  for (GroupStatus& group : ranks[0].status.groups) group.group = 9;
  EXPECT_THAT(diagnosis(ranks, {.group = 9, .sequence = 43, .peer = -1, .transport = "mpi"}),
              testing::AllOf(HasSubstr("rank 0 "), Not(HasSubstr("rank 1 "))));
}

TEST(Diagnosis, OfAMessageIsThePeer) {
  std::vector<RankView> ranks{at_collective(42, 120), at_collective(42, 121)};
  EXPECT_THAT(diagnosis(ranks, {.group = 0, .sequence = 1, .peer = 1, .transport = "mpi"}),
              HasSubstr("rank 1 (host b, pid 121) is the other side; its last op was"));
}

TEST(Diagnosis, NamesAFewOfManyAndCountsTheRest) {
  std::vector<RankView> ranks;
  for (int i = 0; i < 10; ++i) ranks.push_back(at_collective(41, 120 + i));
  EXPECT_THAT(diagnosis(ranks, asked), HasSubstr("; and 6 ranks more"));
}

TEST(RankStatus, TravelsAsTextAndSurvivesNoise) {
  RankStatus status = at_collective(41, 121).status;
  status.activity = "loader.next";
  const RankStatus back = status_from(encoded(status));
  EXPECT_EQ(encoded(back), encoded(status));
  EXPECT_EQ(back.groups.at(0).last, status.groups[0].last);
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string text = encoded(status);
    for (int k = 0; k < 4; ++k) text[random() % text.size()] = static_cast<char>(random());
    EXPECT_LE(status_from(text.substr(0, random() % text.size())).groups.size(), 5U);
    question_from(text);
  }
}

TEST(ProcessState, IsThatOfProc) {
  EXPECT_EQ(process_state(getpid()), 'R');
  EXPECT_EQ(process_state(-1), '?');
}

}  // namespace
}  // namespace lockstep::comm
