#include "lockstep/parallel/configuration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockstep/base/error.h"
#include "lockstep/core/parallel_for.h"
#include "lockstep/tensor/create.h"
#include "tests/support/environment.h"
#include "tests/support/failure.h"
#include "tests/support/scratch.h"
#include "tests/support/thread_world.h"

namespace lockstep::parallel {
namespace {

using tests::Scratch;

void save_with(const Scratch& scratch, const Configuration& configuration) {
  tests::on_ranks(1, [&](World& world) {
    save_checkpoint(scratch.folder(), {{}, {}, {.step = 1}, configuration}, world.communicator());
  });
}

TEST(Pinned, ShardsAndThreadsComeFromTheCheckpointOnAnyNumberOfRanks) {
  const Scratch scratch;
  save_with(scratch, {{"shards", "6"}, {"threads", "2"}});
  for (const int size : {1, 2, 3}) {
    tests::on_ranks(size, [&](World& world) {
      EXPECT_FALSE(world.are_shards_chosen());
      EXPECT_TRUE(use_pinned(world, scratch.folder()));
      EXPECT_EQ(world.shards().total, 6);
      EXPECT_EQ(core::threads(), 2);
    });
    core::use_threads(1);
  }
}

TEST(Pinned, WhatIsAskedForStays) {
  const Scratch scratch;
  save_with(scratch, {{"shards", "6"}, {"threads", "1"}});
  tests::on_ranks(2,
                  [&](World& world) {
                    EXPECT_TRUE(use_pinned(world, scratch.folder()));
                    EXPECT_EQ(world.shards().total, 4);
                  },
                  {.shards = 4});
}

TEST(Pinned, NothingChangesWithoutACheckpoint) {
  const Scratch scratch;
  tests::on_ranks(2, [&](World& world) {
    EXPECT_FALSE(use_pinned(world, scratch.folder()));
    EXPECT_EQ(world.shards().total, 2);
    EXPECT_FALSE(world.are_shards_chosen());
  });
}

TEST(Pinned, FewerThreadsThanTheCheckpointAreRefused) {
  const Scratch scratch;
  save_with(scratch, {{"shards", "6"}, {"threads", "4"}});
  const tests::Environment threads("LOCKSTEP_THREADS", "2");
  core::use_threads(2);
  tests::on_ranks(2, [&](World& world) {
    const auto error = tests::failure_of<UsageError>([&] { use_pinned(world, scratch.folder()); });
    EXPECT_THAT(error.problem(), testing::HasSubstr("LOCKSTEP_THREADS=2, but the checkpoint was "
                                                    "made with 4 threads a rank"));
    EXPECT_EQ(error.fix(), "unset LOCKSTEP_THREADS, or set it to 4");
  });
  core::use_threads(1);
}

TEST(Pinned, AWorldRefusesNoShards) {
  tests::on_ranks(1, [](World& world) {
    const auto error = tests::failure_of<UsageError>([&] { world.use_shards(0); });
    EXPECT_EQ(error.problem(), "World: 0 shards");
    EXPECT_EQ(error.fix(), "give 1 shard or more");
  });
}

}  // namespace
}  // namespace lockstep::parallel
