#include "lockstep/comm/world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "lockstep/base/error.h"
#include "lockstep/comm/transport.h"
#include "tests/support/environment.h"
#include "tests/support/failure.h"

namespace lockstep::tests {
namespace {

using testing::HasSubstr;

int exit_code_of(const std::function<void(World&)>& program) { return run(0, nullptr, program); }

TEST(World, IsOneRankInAPlainProcess) {
  World world;
  EXPECT_EQ(world.rank(), 0);
  EXPECT_EQ(world.size(), 1);
  EXPECT_EQ(world.local_rank(), 0);
  EXPECT_TRUE(world.is_root());
  EXPECT_EQ(world.communicator().transport(), "self");
  EXPECT_EQ(world.shards(), (core::ShardRange{0, 1, 1}));
  EXPECT_EQ(world.device(), Device{});
}

TEST(World, TakesTheNumberOfShardsFromItsOptionsThenTheEnvironment) {
  const Environment shards("LOCKSTEP_SHARDS", "6");
  EXPECT_EQ(World().shards(), (core::ShardRange{0, 6, 6}));
  EXPECT_EQ(World({.shards = 3}).shards(), (core::ShardRange{0, 3, 3}));
  auto team = comm::threads(4);
  EXPECT_EQ(World(std::move(team[1])).shards(), (core::ShardRange{2, 4, 6}));
}

TEST(World, RefusesShardsBelowZero) {
  const auto error = failure_of<UsageError>([] { World({.shards = -1}); });
  EXPECT_EQ(error.problem(), "World: -1 shards");
  EXPECT_EQ(error.fix(), "give 1 shard or more, or 0 for the default");
}

TEST(World, RefusesTheHandleOfACommunicatorBeforeMpiIsInitialized) {
  const auto error = failure_of<UsageError>([] { World({.mpi_communicator = 0}); });
  EXPECT_EQ(error.problem(),
            "mpi: the handle of a communicator is given, but MPI is not initialized");
  EXPECT_THAT(error.fix(), HasSubstr("call MPI_Init first"));
}

TEST(World, DefaultsToOneShardPerRank) {
  auto team = comm::threads(3);
  EXPECT_EQ(World(std::move(team[2])).shards(), (core::ShardRange{2, 3, 3}));
}

TEST(World, WaitsAsLongAsLockstepTimeoutSays) {
  const Environment limit("LOCKSTEP_TIMEOUT", "1");
  auto team = comm::threads(2);
  EXPECT_THAT(message_of<CommError>([&] { team[0]->barrier(); }),
              HasSubstr("barrier #1 not finished after 1 s"));
  const Environment wrong("LOCKSTEP_TIMEOUT", "soon");
  EXPECT_THAT(message_of<UsageError>([] { comm::self(); }),
              HasSubstr("LOCKSTEP_TIMEOUT=soon is not a whole number from 1 to 1000000"));
}

TEST(Run, ReturnsWhatTheProgramReturns) {
  EXPECT_EQ(run(0, nullptr, [](World&) { return 75; }), 75);
  EXPECT_EQ(run(0, nullptr, [](World&) {}), 0);
}

TEST(Run, TurnsExceptionsIntoExitCodes) {
  EXPECT_EQ(exit_code_of([](World&) { throw std::runtime_error("a"); }), 1);
  EXPECT_EQ(exit_code_of([](World&) { throw ShapeError({"a", "b"}); }), 1);
  EXPECT_EQ(exit_code_of([](World&) { throw UsageError({"a", "b"}); }), 2);
  EXPECT_EQ(exit_code_of([](World&) { throw IoError({"a", "b"}); }), 3);
  EXPECT_EQ(exit_code_of([](World&) { throw CommError({"a", "b"}); }), 4);
  EXPECT_EQ(exit_code_of([](World&) { throw 5; }), 1);
}

TEST(Run, PrintsWhatAnExceptionSays) {
  testing::internal::CaptureStderr();
  exit_code_of([](World&) { throw IoError({"data: no such file", "give another"}); });
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, HasSubstr("data: no such file"));
  EXPECT_THAT(text, HasSubstr("fix:   give another"));
}

TEST(Run, RefusesAnUnknownVariableByName) {
  const Environment misspelt("LOCKSTEP_SHARD", "4");
  testing::internal::CaptureStderr();
  EXPECT_EQ(run(0, nullptr, [](World&) { ADD_FAILURE() << "the program was run"; }), 2);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("did you mean LOCKSTEP_SHARDS"));
}

}  // namespace
}  // namespace lockstep::tests
