#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <latch>
#include <stdexcept>
#include <string>

#include "lockstep/base/error.h"
#include "tests/support/failure.h"
#include "tests/support/thread_world.h"
#include "tests/support/typed_values.h"

namespace lockstep::tests {
namespace {

using comm::Communicator;
using comm::Disturbance;
using comm::Reduce;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr auto short_limit = 200ms;

// all_reduce of `count` ones; the message of the CommError that it throws, or "".
std::string failure_of_all_reduce(Communicator& ranks, std::int64_t count = 10) {
  core::Stream stream;
  TypedValues data = TypedValues::made(DType::f32, count, [](std::int64_t) { return 1.0; });
  try {
    ranks.all_reduce(data.buffer(), data.buffer(), Reduce::sum, stream).wait();
  } catch (const CommError& error) {
    return error.what();
  }
  return "";
}

TEST(Failure, ADroppedCallEndsAtTheDeadlineAndSaysWhatWaitedWhere) {
  const auto drop = Disturbance{.kind = Disturbance::Kind::drop, .rank = 1, .sequence = 2};
  on_ranks(2,
           [](World& world) {
             Communicator& ranks = world.communicator();
             EXPECT_EQ(failure_of_all_reduce(ranks), "");
             if (world.rank() == 1) {
               EXPECT_THAT(failure_of_all_reduce(ranks), HasSubstr("rank 0 failed first"));
               return;
             }
             ranks.use_timeout(short_limit);
             EXPECT_THAT(
                 failure_of_all_reduce(ranks),
                 AllOf(HasSubstr("all_reduce #2 (sum, f32 x 10) not finished after 0.2 s"),
                       HasSubstr("where: rank 0 of 2, cpu, transport threads, failure_test.cpp:"),
                       HasSubstr("LOCKSTEP_TIMEOUT")));
           },
           {}, {drop});
}

TEST(Failure, ARankThatNeverCallsIsNamedWithItsLastCall) {
  std::latch rank_0_has_failed(1);
  on_ranks(2, [&](World& world) {
    Communicator& ranks = world.communicator();
    ranks.barrier();
    if (world.rank() == 1) return rank_0_has_failed.wait();
    ranks.use_timeout(short_limit);
    EXPECT_THAT(failure_of_all_reduce(ranks),
                ContainsRegex("fix:   rank 1 never arrived; its last op was barrier #1 at "
                              "failure_test.cpp:[0-9]+, finished [0-9.]+ s ago; where ranks"));
    rank_0_has_failed.count_down();
  });
}

TEST(Failure, ARankThatHasLeftIsNamed) {
  auto ranks = comm::threads(2);
  ranks[1].reset();
  ranks[0]->use_timeout(short_limit);
  EXPECT_THAT(failure_of_all_reduce(*ranks[0]), HasSubstr("fix:   rank 1 has left the job; where"));
}

TEST(Failure, APoisonedCommunicatorThrowsAtOnceAndNamesTheFirstFailure) {
  on_ranks(2, [](World& world) {
    if (world.rank() == 1) return;
    Communicator& ranks = world.communicator();
    ranks.use_timeout(short_limit);
    EXPECT_FALSE(ranks.is_poisoned());
    EXPECT_NE(failure_of_all_reduce(ranks), "");
    EXPECT_TRUE(ranks.is_poisoned());
    ranks.use_timeout(1h);
    EXPECT_THAT(failure_of_all_reduce(ranks),
                AllOf(HasSubstr("all_reduce (sum, f32 x 10) on a poisoned communicator"),
                      HasSubstr("all_reduce #1 (sum, f32 x 10) not finished after 0.2 s")));
    EXPECT_THAT(message_of<CommError>([&] { ranks.barrier(); }),
                HasSubstr("barrier on a poisoned communicator"));
  });
}

TEST(Failure, AWorkThatWasUnderWayWhenTheCommunicatorFailedThrowsToo) {
  on_ranks(2, [](World& world) {
    if (world.rank() == 1) return;
    Communicator& ranks = world.communicator();
    ranks.use_timeout(short_limit);
    core::Stream stream;
    TypedValues a(DType::f32, 5);
    TypedValues b(DType::f32, 100'000);
    comm::Work first = ranks.all_reduce(a.buffer(), a.buffer(), Reduce::sum, stream);
    comm::Work second = ranks.all_reduce(b.buffer(), b.buffer(), Reduce::sum, stream);
    EXPECT_THROW(second.wait(), CommError);
    EXPECT_THROW(first.wait(), CommError);
    EXPECT_FALSE(first.done());
  });
}

TEST(Failure, AWorkThatOutlivesItsCommunicatorSaysSo) {
  auto team = comm::threads(2);
  core::Stream stream;
  TypedValues data(DType::f32, 5);
  comm::Work work = team[0]->all_reduce(data.buffer(), data.buffer(), Reduce::sum, stream);
  team.clear();
  EXPECT_THAT(message_of<CommError>([&] { work.wait(); }),
              AllOf(HasSubstr("all_reduce #1 (sum, f32 x 5) was not finished when its communicator "
                              "was destroyed"),
                    HasSubstr("fix:   wait for every Work before the communicator goes")));
}

// A transport whose every call fails while it makes progress, as a fold without a backend does.
class Faulty final : public Communicator {
 public:
  Faulty() : Communicator(comm::Membership{.rank = 0, .size = 2, .transport = "faulty"}) {}
  bool is_aborted = false;

 private:
  struct State final : comm::Work::State {
    bool advance() override {
      if (++calls == 2) throw DeviceError({"no backend", "install one"});
      return false;
    }
    int calls = 0;
  };
  std::unique_ptr<comm::Work::State> start(std::span<const comm::Call>, core::Stream&) override {
    return std::make_unique<State>();
  }
  std::unique_ptr<Communicator> subset(std::span<const int>, int, const comm::Group&) override {
    return nullptr;
  }
  void abort(const CommError&) noexcept override { is_aborted = true; }
};

TEST(Failure, AnyExceptionOnTheWayPoisonsAndReachesTheCaller) {
  Faulty ranks;
  EXPECT_THROW(ranks.barrier(), DeviceError);
  EXPECT_TRUE(ranks.is_aborted);
  EXPECT_THAT(failure_of_all_reduce(ranks), HasSubstr("it failed before: no backend"));
}

TEST(Failure, ADelayedCallIsWaitedFor) {
  const auto late =
      Disturbance{.kind = Disturbance::Kind::delay, .rank = 2, .sequence = 1, .delay = 100ms};
  on_ranks(3,
           [](World& world) {
             const auto begin = std::chrono::steady_clock::now();
             EXPECT_EQ(failure_of_all_reduce(world.communicator(), 30'000), "");
             EXPECT_GE(std::chrono::steady_clock::now() - begin, 100ms);
           },
           {}, {late});
}

TEST(Failure, CallsWhoseMessagesOvertakeEachOtherStayApart) {
  const auto swapped = Disturbance{.kind = Disturbance::Kind::reorder, .rank = 0, .sequence = 1};
  on_ranks(3,
           [](World& world) {
             core::Stream stream;
             const auto filled = [](double value) {
               return TypedValues::made(DType::f32, 20'000, [&](std::int64_t) { return value; });
             };
             TypedValues a = filled(1);
             TypedValues b = filled(10);
             comm::Work first =
                 world.communicator().all_reduce(a.buffer(), a.buffer(), Reduce::sum, stream);
             comm::Work second =
                 world.communicator().all_reduce(b.buffer(), b.buffer(), Reduce::sum, stream);
             second.wait();
             first.wait();
             EXPECT_EQ(a, filled(3));
             EXPECT_EQ(b, filled(30));
           },
           {}, {swapped});
}

TEST(Failure, AnExceptionOnOneRankReachesTheOthers) {
  std::string seen[3];
  EXPECT_THROW(on_ranks(3,
                        [&](World& world) {
                          if (world.rank() == 1) throw std::runtime_error("no more data");
                          seen[world.rank()] = failure_of_all_reduce(world.communicator());
                        }),
               std::runtime_error);
  EXPECT_THAT(seen[0], HasSubstr("rank 1 failed first"));
  EXPECT_THAT(seen[2], HasSubstr("rank 1 failed first"));
}

TEST(Failure, AWorkThatAnExceptionPassesPoisonsInsteadOfWaiting) {
  on_ranks(2, [](World& world) {
    if (world.rank() == 1) return;
    core::Stream stream;
    TypedValues data(DType::f32, 5);
    const auto fail_under_way = [&] {
      comm::Work work =
          world.communicator().all_reduce(data.buffer(), data.buffer(), Reduce::sum, stream);
      throw std::runtime_error("in the middle");
    };
    EXPECT_THROW(fail_under_way(), std::runtime_error);
    EXPECT_THAT(failure_of_all_reduce(world.communicator()),
                HasSubstr("an exception passed all_reduce #1 (sum, f32 x 5)"));
  });
}

TEST(Failure, CountsThatDifferBetweenRanksAreNamed) {
  std::string seen[2];
  on_ranks(2, [&](World& world) {
    seen[world.rank()] = failure_of_all_reduce(world.communicator(), world.rank() == 0 ? 10 : 11);
  });
  EXPECT_THAT(seen[0] + seen[1], HasSubstr("ranks 0 and 1 differ in the count"));
  EXPECT_NE(seen[0], "");
  EXPECT_NE(seen[1], "");
}

TEST(Failure, TheFlightRecordShowsTheCallThatNeverFinished) {
  on_ranks(2, [](World& world) {
    Communicator& ranks = world.communicator();
    ranks.barrier();
    if (world.rank() == 1) return;
    ranks.use_timeout(short_limit);
    EXPECT_NE(failure_of_all_reduce(ranks), "");
    const auto entries = ranks.flight_record().entries();
    ASSERT_EQ(entries.size(), 2U);
    EXPECT_EQ(entries[0].op, comm::Op::barrier);
    EXPECT_TRUE(entries[0].is_finished);
    EXPECT_EQ(entries[1].op, comm::Op::all_reduce);
    EXPECT_EQ(entries[1].sequence, 2U);
    EXPECT_FALSE(entries[1].is_finished);
  });
}

}  // namespace
}  // namespace lockstep::tests
