#include "lockstep/train/stop_signal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "tests/support/failure.h"
#include "tests/support/thread_world.h"

namespace lockstep::train {
namespace {

TEST(StopSignal, IsMetByAllRanksAtTheSameCall) {
  for (const int size : {1, 2, 3}) {
    tests::on_ranks(size, [](World& world) {
      comm::Communicator& ranks = world.communicator();
      StopSignal stop(ranks);
      ranks.barrier();
      int calls = 0;
      while (!stop.is_requested()) {
        if (++calls == 5 && world.is_root()) std::raise(SIGUSR1);
        ASSERT_LT(calls, 20);
      }
      // The loops ended at the same call, or this would wait for ever.
      EXPECT_GE(calls, 5);
      EXPECT_LE(calls, 6);
      ranks.barrier();
    });
  }
}

TEST(StopSignal, IsNotRequestedWithoutASignal) {
  tests::on_ranks(2, [](World& world) {
    StopSignal stop(world.communicator());
    for (int call = 0; call < 10; ++call) EXPECT_FALSE(stop.is_requested());
  });
}

TEST(StopSignal, GivesTheSignalBackToWhoHadIt) {
  static int caught = 0;
  const auto before = std::signal(SIGUSR1, [](int) { ++caught; });
  tests::on_ranks(1, [](World& world) {
    StopSignal stop(world.communicator());
    std::raise(SIGUSR1);
    EXPECT_TRUE(stop.is_requested());
  });
  EXPECT_EQ(caught, 0);
  std::raise(SIGUSR1);
  EXPECT_EQ(caught, 1);
  std::signal(SIGUSR1, before);
}

TEST(StopSignal, RefusesASignalThatCannotBeCaught) {
  tests::on_ranks(1, [](World& world) {
    const auto error =
        tests::failure_of<UsageError>([&] { StopSignal(world.communicator(), SIGKILL); });
    EXPECT_THAT(error.problem(), testing::HasSubstr("StopSignal: signal 9: Invalid argument"));
    EXPECT_THAT(error.fix(), testing::HasSubstr("use SIGUSR1"));
  });
}

}  // namespace
}  // namespace lockstep::train
