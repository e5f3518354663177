// The divergence guard over the transport that a job gets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/damaged_run.h"
#include "tests/support/failure.h"

namespace lockstep::tests {
namespace {

TEST(DivergenceGuard, NamesTheSameTensorAndRankOnAllRanksOfAJob) {
  World world({.shards = 4});
  for (const Tail tail : {Tail::plain, Tail::fused}) {
    for (int rank = 0; rank < world.size(); ++rank) {
      DamagedRun run{.steps = 7, .flips = {{rank, 5, "6.weight", 0.3}}};
      run.options.tail = tail;
      const std::string message = message_of([&] { fingerprint_after(world, run); });
      EXPECT_THAT(message, testing::HasSubstr("that step 7 begins with differ; they were equal "
                                              "before step 4; \"6.weight"));
      EXPECT_THAT(message, testing::HasSubstr("rank " + std::to_string(rank) + " has "));
      world.communicator().barrier();  // nobody was left behind
    }
  }
}

TEST(ExactDivergenceGuard, RepairsAJobWhereThereIsAMajority) {
  World world({.shards = 4});
  for (const Tail tail : {Tail::plain, Tail::fused}) {
    DamagedRun run;
    run.options.tail = tail;
    run.options.on_divergence = OnDivergence::repair;
    const std::uint64_t undisturbed = fingerprint_after(world, run);
    run.flips = {{1, 4, "0.weight"}, {0, 7, "6.weight", 0.9}, {1, 10, "1.running_mean"}};
    if (world.size() == 2) {  // no majority
      EXPECT_THAT(message_of([&] { fingerprint_after(world, run); }),
                  testing::HasSubstr("that step 4 begins with differ"));
    } else {
      EXPECT_EQ(fingerprint_after(world, run), undisturbed);
    }
  }
}

}  // namespace
}  // namespace lockstep::tests
