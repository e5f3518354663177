// A bit that one replica lost is found at the next comparison, and repaired where a majority
// remains.
#include "src/parallel/divergence_guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <mutex>
#include <set>

#include "lockstep/ops/rows.h"
#include "lockstep/optim/sgd.h"
#include "tests/support/failure.h"
#include "tests/support/thread_world.h"
#include "tests/support/training_run.h"

namespace lockstep::tests {
namespace {

using testing::HasSubstr;
using testing::Not;

void flip_bit(const Tensor& x, std::int64_t bit) {
  static_cast<unsigned char*>(x.view().data)[bit / 8] ^= static_cast<unsigned char>(1 << (bit % 8));
}

// A bit of the middle of a tensor, on one rank, before one step.
struct Flip {
  int rank = 0;
  int step = 1;
  std::string tensor;
};

struct GuardedRun {
  int ranks = 3;
  int shards = 4;
  int steps = 12;
  std::vector<Flip> flips;
  DataParallelOptions options = {
      .seed = 5, .bucket_bytes = 600, .tail = Tail::plain, .check_every = 3};
};

State everything(nn::Module& model, const optim::Optimizer& optimizer) {
  State all = model.state();
  for (const auto& [name, tensor] : optimizer.state())
    all.emplace_back("optimizer " + name, tensor);
  return all;
}

// Trains the CNN with batch normalisation; the fingerprints that the ranks end with.
std::set<std::uint64_t> train(const GuardedRun& guarded) {
  std::set<std::uint64_t> found;
  std::mutex mutex;
  const auto body = [&](World& world) {
    const TrainingRun run{.model = Model::cnn};
    const auto model = model_for(run.model);
    optim::Sgd sgd(model->parameters(), {.lr = 0.05, .momentum = 0.9});
    DataParallel ranks(*model, sgd, world, guarded.options);
    for (int step = 1; step <= guarded.steps; ++step) {
      for (const Flip& flip : guarded.flips) {
        if (flip.rank != world.rank() || flip.step != step) continue;
        for (const auto& [name, tensor] : everything(*model, sgd)) {
          if (name != flip.tensor) continue;
          flip_bit(tensor,
                   tensor.elements() / 2 * 8 * static_cast<int>(size_of(tensor.dtype())) + 9);
        }
      }
      ranks.step(batch_of(run, step, world.shards()),
                 [&](const Part& part) { return cross_entropy((*model)(part.x), part.y); });
    }
    const std::uint64_t own = fingerprint(everything(*model, sgd));
    const std::lock_guard lock(mutex);
    found.insert(own);
  };
  on_ranks(guarded.ranks, body, {.shards = guarded.shards});
  return found;
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
      const std::string message = message_of([&] {
        train({.ranks = ranks, .flips = {{rank, 7, name}}});
      });
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
                    train({.ranks = 3, .flips = {{1, step, name}}});
                  }),
                  testing::AllOf(HasSubstr("that step 7 begins with differ"),
                                 HasSubstr(std::string("\"") + name)))
          << name << " " << step;
    }
  }
}

TEST(DivergenceGuard, NamesABufferThatEarlierStepsBeganWith) {
  const std::string message = message_of([&] {
    train({.ranks = 3, .flips = {{2, 5, "1.running_variance"}}});
  });
  EXPECT_THAT(message, HasSubstr("\"1.running_variance of a step before\": rank 2 has "));
}

TEST(DivergenceGuard, NamesOnlyTheRanksThatDifferFromTheMajority) {
  const std::string message = message_of([&] {
    train({.ranks = 4, .flips = {{1, 4, "0.bias"}, {3, 4, "6.weight"}}});
  });
  EXPECT_THAT(message, HasSubstr("\"0.bias\": rank 1 has "));
  EXPECT_THAT(message, HasSubstr(", the other 3 ranks have "));
  EXPECT_THAT(message, HasSubstr("\"6.weight\": rank 3 has "));
  EXPECT_THAT(message, Not(HasSubstr("rank 0 has")));
}

TEST(DivergenceGuard, StopsWithTwoRanksOrWithoutAMajorityEvenWhereRepairIsAsked) {
  GuardedRun run{.ranks = 2, .flips = {{1, 4, "0.weight"}}};
  run.options.on_divergence = OnDivergence::repair;
  EXPECT_THAT(message_of([&] { train(run); }),
              testing::AllOf(HasSubstr("\"0.weight\": rank 0 has "), HasSubstr("rank 1 has ")));
  run.ranks = 4;
  run.flips.push_back({2, 4, "0.weight"});
  EXPECT_THAT(message_of([&] { train(run); }), HasSubstr("\"0.weight\": rank 0 has "));
}

TEST(ExactDivergenceGuard, RepairsFromTheMajorityAndGoesOnWithTheUndisturbedBits) {
  for (const int ranks : {3, 4, 5}) {
    GuardedRun run{.ranks = ranks};
    const auto undisturbed = train(run);
    ASSERT_EQ(undisturbed.size(), 1U);
    run.options.on_divergence = OnDivergence::repair;
    for (const std::string& name : names_of_everything()) run.flips.push_back({1, 7, name});
    run.flips.push_back({0, 10, "6.weight"});
    run.flips.push_back({2, 10, "1.running_mean"});
    EXPECT_EQ(train(run), undisturbed) << ranks;
  }
}

TEST(DivergenceGuard, MakesReplicasEqualAgainWhereStepsHaveAlreadyUsedTheDamage) {
  GuardedRun run{.ranks = 3, .flips = {{1, 5, "0.weight"}, {2, 6, "1.running_mean"}}};
  run.options.on_divergence = OnDivergence::repair;
  EXPECT_EQ(train(run).size(), 1U);
}

TEST(DivergenceGuard, FindsNothingInAnUndisturbedRun) {
  for (const int ranks : {2, 3, 5}) {
    GuardedRun run{.ranks = ranks};
    run.options.check_every = 1;
    const auto checked = train(run);
    EXPECT_EQ(checked.size(), 1U);
    run.options.check_every = 0;
    EXPECT_EQ(train(run), checked);
  }
}

// Control: without comparisons the replicas part for good, and nobody says so.
TEST(DivergenceGuard, LetsReplicasPartWhereItIsOff) {
  GuardedRun run{.ranks = 3, .flips = {{1, 4, "6.weight"}}};
  run.options.check_every = 0;
  EXPECT_GT(train(run).size(), 1U);
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
