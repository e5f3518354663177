#include "src/comm/nccl_session.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lockstep/comm/transport.h"
#include "tests/support/failure.h"

namespace lockstep::comm {
namespace {

using tests::failure_of;

// NCCL as one rank sees it: what was called, and how many looks an answer takes.
struct FakeNccl {
  std::vector<std::string> calls;
  int looks = 0;  // that find the last call in progress
  NcclStatus outcome = nccl_status::success;
  NcclStatus id_status = nccl_status::success;

  NcclTable table();
  static inline FakeNccl* current = nullptr;
};

NcclStatus begun(const char* call) {
  FakeNccl::current->calls.emplace_back(call);
  return nccl_status::in_progress;
}

NcclTable FakeNccl::table() {
  current = this;
  return {.unique_id =
              [](NcclId* id) {
                *id = {"the id"};
                current->calls.emplace_back("unique_id");
                return current->id_status;
              },
          .join =
              [](NcclHandle* joined, int ranks, const NcclId& id, int rank) {
                *joined = current;
                EXPECT_STREQ(id.bytes, "the id");
                EXPECT_EQ(ranks * 10 + rank, 10);
                return begun("join");
              },
          .state =
              [](NcclHandle, NcclStatus* state) {
                *state = current->looks-- > 0 ? nccl_status::in_progress : current->outcome;
                return nccl_status::success;
              },
          .finalize = [](NcclHandle) { return begun("finalize"); },
          .destroy =
              [](NcclHandle) {
                begun("destroy");
                return nccl_status::success;
              },
          .abort =
              [](NcclHandle) {
                begun("abort");
                return nccl_status::success;
              },
          .meaning = [](NcclStatus) { return "unhandled system error"; },
          .last_error = [](NcclHandle) { return "no route to host"; }};
}

using Calls = std::vector<std::string>;
constexpr std::chrono::milliseconds patient{60'000}, impatient{0};

TEST(NcclSession, JoinsAndLeavesWithoutBlocking) {
  FakeNccl fake{.looks = 3};
  const NcclTable table = fake.table();
  const auto alone = self();
  {
    const NcclSession session(table, *alone, patient);
    EXPECT_EQ(session.handle(), &fake);
    fake.looks = 2;
  }
  EXPECT_EQ(fake.calls, (Calls{"unique_id", "join", "finalize", "destroy"}));
}

TEST(NcclSession, AJoinThatTakesTooLongIsAborted) {
  FakeNccl fake{.looks = 1'000'000};
  const NcclTable table = fake.table();
  const auto alone = self();
  const auto error = failure_of<CommError>([&] { NcclSession(table, *alone, impatient); });
  EXPECT_EQ(error.problem(), "ncclCommInitRankConfig not finished after 0 ms");
  EXPECT_EQ(fake.calls, (Calls{"unique_id", "join", "abort"}));
}

TEST(NcclSession, AFailedJoinSaysWhatNcclSays) {
  FakeNccl fake{.outcome = 2};
  const NcclTable table = fake.table();
  const auto alone = self();
  const auto error = failure_of<CommError>([&] { NcclSession(table, *alone, patient); });
  EXPECT_EQ(error.problem(),
            "ncclCommInitRankConfig failed: unhandled system error (no route to host)");
  EXPECT_EQ(fake.calls.back(), "abort");
}

TEST(NcclSession, WithoutAnIdNobodyJoins) {
  FakeNccl fake{.id_status = 2};
  const NcclTable table = fake.table();
  const auto alone = self();
  EXPECT_THROW(NcclSession(table, *alone, patient), CommError);
  EXPECT_EQ(fake.calls, Calls{"unique_id"});
}

TEST(NcclSession, PeersThatDoNotFollowAreLeft) {
  FakeNccl fake;
  const NcclTable table = fake.table();
  const auto alone = self();
  {
    const NcclSession session(table, *alone, impatient);
    fake.looks = 1'000'000;
  }
  EXPECT_EQ(fake.calls, (Calls{"unique_id", "join", "finalize", "abort"}));
}

TEST(NcclSession, AFailureThatShowsLaterIsFoundByAsking) {
  FakeNccl fake;
  const NcclTable table = fake.table();
  const auto alone = self();
  NcclSession session(table, *alone, patient);
  session.check_health();
  fake.outcome = 6;
  EXPECT_THROW(session.check_health(), CommError);
  EXPECT_EQ(session.handle(), nullptr) << "aborted";
}

}  // namespace
}  // namespace lockstep::comm
