// A bit that one replica lost is found at the next comparison, and repaired where a majority
// remains.
#include "src/parallel/divergence_guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <set>

#include "lockstep/ops/rows.h"
#include "lockstep/optim/sgd.h"
#include "tests/support/damaged_run.h"
#include "tests/support/failure.h"
#include "tests/support/thread_world.h"
#include "tests/support/training_run.h"

namespace lockstep::tests {
namespace {

using testing::HasSubstr;
using testing::Not;

// The fingerprints that ranks end with which are threads.
std::set<std::uint64_t> train(int size, const DamagedRun& run) {
  return results_on(comm::threads(size),
                    [&](World& world) { return fingerprint_after(world, run); }, {.shards = 4});
}

std::vector<std::string> names_of_everything() {
  const auto model = model_for(Model::cnn);
  const optim::Sgd sgd(model->parameters(), {.momentum = 0.9});
  std::vector<std::string> names;
  for (const auto& [name, tensor] : everything(*model, sgd)) names.push_back(name);
  return names;
}

TEST(DivergenceGuard, FindsABitFlippedInAnyTensorOnAnyRankBeforeTheNextUpdate) {
  const auto names = names_of_everything();
  ASSERT_THAT(names, testing::IsSupersetOf({"0.weight", "1.running_mean", "6.bias",
                                            "optimizer momentum.0.weight", "optimizer steps"}));
  int rank = 0;
  for (const std::string& name : names) {
    for (const int ranks : {2, 3, 5}) {
      rank = (rank + 1) % ranks;
      const std::string message = message_of([&] { train(ranks, {.flips = {{rank, 7, name}}}); });
      EXPECT_THAT(message, HasSubstr("the replicas that step 7 begins with differ; they were equal "
                                     "before step 4; \"" +
                                     name + "\": "));
      EXPECT_THAT(message, HasSubstr("rank " + std::to_string(rank) + " has "));
      EXPECT_THAT(message, HasSubstr("go on from a checkpoint of step 3 or before"));
    }
  }
}

TEST(DivergenceGuard, FindsABitFlippedBetweenComparisonsAtTheNextOne) {
  for (const char* name : {"0.weight", "1.running_mean", "6.weight"}) {
    for (const int step : {5, 6, 7}) {
      EXPECT_THAT(message_of([&] {
                    train(3, {.flips = {{1, step, name}}});
                  }),
                  testing::AllOf(HasSubstr("that step 7 begins with differ"),
                                 HasSubstr(std::string("\"") + name)))
          << name << " " << step;
    }
  }
}

TEST(DivergenceGuard, NamesABufferThatEarlierStepsBeganWith) {
  const std::string message = message_of([&] {
    train(3, {.flips = {{2, 5, "1.running_variance"}}});
  });
  EXPECT_THAT(message, HasSubstr("\"1.running_variance of a step before\": rank 2 has "));
}

TEST(DivergenceGuard, NamesOnlyTheRanksThatDifferFromTheMajority) {
  const std::string message = message_of([&] {
    train(4, {.flips = {{1, 4, "0.bias"}, {3, 4, "6.weight"}}});
  });
  EXPECT_THAT(message, HasSubstr("\"0.bias\": rank 1 has "));
  EXPECT_THAT(message, HasSubstr(", the other 3 ranks have "));
  EXPECT_THAT(message, HasSubstr("\"6.weight\": rank 3 has "));
  EXPECT_THAT(message, Not(HasSubstr("rank 0 has")));
}

TEST(DivergenceGuard, StopsWithTwoRanksOrWithoutAMajorityEvenWhereRepairIsAsked) {
  DamagedRun run{.flips = {{1, 4, "0.weight"}}};
  run.options.on_divergence = OnDivergence::repair;
  EXPECT_THAT(message_of([&] { train(2, run); }),
              testing::AllOf(HasSubstr("\"0.weight\": rank 0 has "), HasSubstr("rank 1 has ")));
  run.flips.push_back({2, 4, "0.weight"});
  EXPECT_THAT(message_of([&] { train(4, run); }), HasSubstr("\"0.weight\": rank 0 has "));
}

TEST(ExactDivergenceGuard, RepairsFromTheMajorityAndGoesOnWithTheUndisturbedBits) {
  for (const int ranks : {3, 4, 5}) {
    DamagedRun run;
    const auto undisturbed = train(ranks, run);
    ASSERT_EQ(undisturbed.size(), 1U);
    run.options.on_divergence = OnDivergence::repair;
    for (const std::string& name : names_of_everything()) run.flips.push_back({1, 7, name});
    run.flips.push_back({0, 10, "6.weight"});
    run.flips.push_back({2, 10, "1.running_mean"});
    EXPECT_EQ(train(ranks, run), undisturbed) << ranks;
  }
}

TEST(DivergenceGuard, MakesReplicasEqualAgainWhereStepsHaveAlreadyUsedTheDamage) {
  DamagedRun run{.flips = {{1, 5, "0.weight"}, {2, 6, "1.running_mean"}}};
  run.options.on_divergence = OnDivergence::repair;
  EXPECT_EQ(train(3, run).size(), 1U);
}

TEST(DivergenceGuard, FindsNothingInAnUndisturbedRun) {
  for (const int ranks : {2, 3, 5}) {
    DamagedRun run;
    run.options.check_every = 1;
    const auto checked = train(ranks, run);
    EXPECT_EQ(checked.size(), 1U);
    run.options.check_every = 0;
    EXPECT_EQ(train(ranks, run), checked);
  }
}

// Control: without comparisons the replicas part for good, and nobody says so.
TEST(DivergenceGuard, LetsReplicasPartWhereItIsOff) {
  DamagedRun run{.flips = {{1, 4, "6.weight"}}};
  run.options.check_every = 0;
  EXPECT_GT(train(3, run).size(), 1U);
}

// Each element belongs to one rank's slice and is foreign to the others; all are tried.
TEST(DivergenceGuard, FindsDamageInOwnedAndForeignSlicesThoughTheNextUpdateOverwritesIt) {
  for (const int ranks : {2, 3}) {
    for (int rank = 0; rank < ranks; ++rank) {
      for (const double place : {0.0, 0.3, 0.6, 1.0}) {
        for (const bool is_within_step : {false, true}) {
          DamagedRun run{.steps = 9};
          run.options.tail = Tail::fused;
          run.options.check_every = 4;
          run.flips = {{rank, 6, "6.weight", place, is_within_step}};
          const std::string message = message_of([&] { train(ranks, run); });
          EXPECT_THAT(message, HasSubstr("that step 9 begins with differ; they were equal before "
                                         "step 5; \"6.weight of a step before\": "));
          EXPECT_THAT(message, HasSubstr("rank " + std::to_string(rank) + " has "));
        }
      }
    }
  }
}

TEST(DivergenceGuard, FindsDamageAfterASharedUpdateAtOnce) {
  for (const double place : {0.0, 1.0}) {
    DamagedRun run{.flips = {{1, 7, "6.weight", place}}};
    run.options.tail = Tail::fused;
    EXPECT_THAT(message_of([&] { train(3, run); }), HasSubstr("\"6.weight\": rank 1 has "));
  }
}

// Control: the damage that the test above finds is in all replicas alike, for good.
TEST(DivergenceGuard, WouldFindReplicasEqualWithoutARecordOfSharedUpdates) {
  DamagedRun run;
  run.options.tail = Tail::fused;
  run.options.check_every = 0;
  const auto undisturbed = train(3, run);
  for (const double place : {0.0, 0.3, 0.6, 1.0}) {
    run.flips = {{1, 6, "6.weight", place}};
    const auto damaged = train(3, run);
    EXPECT_EQ(damaged.size(), 1U);
    EXPECT_NE(damaged, undisturbed);
  }
}

TEST(ExactDivergenceGuard, RepairsWhereUpdatesAreShared) {
  for (const int ranks : {3, 5}) {
    DamagedRun run;
    run.options.tail = Tail::fused;
    run.options.on_divergence = OnDivergence::repair;
    const auto undisturbed = train(ranks, run);
    ASSERT_EQ(undisturbed.size(), 1U);
    for (const double place : {0.0, 0.3, 0.6, 1.0}) run.flips.push_back({1, 7, "6.weight", place});
    run.flips.push_back({2, 10, "0.weight"});
    EXPECT_EQ(train(ranks, run), undisturbed) << ranks;
  }
}

// The moment between an owner's update and its sharing is too short for a flip from outside.
TEST(DivergenceGuard, FindsWhatAnOwnerGaveToAllRanksAfterItWasDamaged) {
  for (const bool is_damaged : {false, true}) {
    const auto share = [&] {
      on_ranks(3, [&](World& world) {
        const auto model = model_for(Model::mlp);
        optim::Sgd sgd(model->parameters());
        parallel::DivergenceGuard guard(*model, sgd, world.communicator(),
                                        {.check_every = 1, .on_divergence = OnDivergence::repair});
        guard.begin_step(1);
        guard.begin_shared_update();
        if (world.rank() == 1) guard.record_written(1, 0, {100, 200});          // within "0.weight"
        if (is_damaged) flip_bit(model->parameters()[0].second, 150 * 32 + 3);  // on all ranks
        guard.end_shared_update();
        guard.begin_step(2);
      });
    };
    if (!is_damaged) {
      EXPECT_NO_THROW(share());
    } else {
      EXPECT_THAT(message_of(share),
                  testing::AllOf(HasSubstr("\"0.weight since its owner wrote it\": rank 1 has "),
                                 HasSubstr("the other 2 ranks have 0000000000000000")));
    }
  }
}

TEST(DivergenceGuard, TellsNaNsApartByTheirPayloads) {
  const auto train_with = [](std::uint32_t payload_of_rank_1) {
    on_ranks(2, [&](World& world) {
      const TrainingRun run{.model = Model::mlp};
      const auto model = model_for(run.model);
      optim::Sgd sgd(model->parameters());
      DataParallel ranks(*model, sgd, world, {.check_every = 1});
      const Tensor weight = model->parameters()[0].second;
      const std::uint32_t bits = 0x7fc00000U | (world.rank() == 1 ? payload_of_rank_1 : 0);
      std::memcpy(weight.view().data, &bits, sizeof bits);
      ranks.compare_replicas();
    });
  };
  EXPECT_NO_THROW(train_with(0));
  EXPECT_THAT(message_of([&] { train_with(1); }),
              HasSubstr("the replicas that step 1 begins with differ; \"0.weight\": "));
}

TEST(DivergenceGuard, ComparesOnRequest) {
  const auto train_with = [](bool flips) {
    on_ranks(2, [&](World& world) {
      const auto model = model_for(Model::mlp);
      optim::Sgd sgd(model->parameters());
      DataParallel ranks(*model, sgd, world, {.check_every = 0});
      if (flips && world.rank() == 1) flip_bit(model->parameters()[2].second, 30);
      ranks.compare_replicas();
    });
  };
  EXPECT_NO_THROW(train_with(false));
  EXPECT_THAT(message_of([&] { train_with(true); }), HasSubstr("\"3.weight\": rank 0 has "));
}

TEST(DivergenceGuard, IsNotMisledByGradientsThatAreComputedTwice) {
  on_ranks(2, [](World& world) {
    const TrainingRun run{.model = Model::cnn};
    const auto model = model_for(run.model);
    optim::Sgd sgd(model->parameters());
    DataParallel ranks(*model, sgd, world, {.check_every = 1});
    const auto compute = [&](int step) {
      ranks.compute_gradients(batch_of(run, step, world.shards()), [&](const Part& part) {
        return cross_entropy((*model)(part.x), part.y);
      });
    };
    for (int step = 1; step <= 4; ++step) {
      compute(step);
      compute(step);
      EXPECT_EQ(ranks.update().step, step);
    }
  });
}

TEST(DivergenceGuard, RefusesANegativeNumberOfSteps) {
  on_ranks(1, [](World& world) {
    const auto model = model_for(Model::mlp);
    optim::Sgd sgd(model->parameters());
    EXPECT_THAT(
        message_of<UsageError>([&] { DataParallel(*model, sgd, world, {.check_every = -1}); }),
        testing::AllOf(HasSubstr("DataParallel: check_every is -1"),
                       HasSubstr("0 to compare the replicas never")));
  });
}

}  // namespace
}  // namespace lockstep::tests
