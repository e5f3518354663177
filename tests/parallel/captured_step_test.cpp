// Captured steps end with the bits of eager ones, on any number of ranks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "lockstep/autograd/parameter.h"
#include "lockstep/nn/linear.h"
#include "lockstep/nn/sequential.h"
#include "lockstep/ops/rows.h"
#include "lockstep/optim/sgd.h"
#include "lockstep/parallel/sync_batch_norm.h"
#include "lockstep/tensor/create.h"
#include "tests/support/failure.h"
#include "tests/support/thread_world.h"
#include "tests/support/training_run.h"

namespace lockstep::tests {
namespace {

std::set<std::uint64_t> fingerprints(std::vector<std::unique_ptr<comm::Communicator>> ranks,
                                     int shards, const TrainingRun& run) {
  return results_on(std::move(ranks), [&](World& world) { return fingerprint_after(world, run); },
                    {.shards = shards});
}

class ExactCapturedStep : public testing::TestWithParam<std::tuple<Model, int>> {};

TEST_P(ExactCapturedStep, GivesTheBitsOfTheEagerStepOnAnyNumberOfRanks) {
  const auto [model, shards] = GetParam();
  TrainingRun run{.model = model, .steps = 20};
  run.options.clip_norm = 0.1;
  const auto expected = fingerprints(comm::threads(1), shards, run);
  ASSERT_EQ(expected.size(), 1U);
  run.options.capture = true;
  for (const Tail tail : {Tail::plain, Tail::fused}) {
    run.options.tail = tail;
    for (const int size : {1, 2, 3}) {
      EXPECT_EQ(fingerprints(comm::threads(size), shards, run), expected) << size << " ranks";
    }
    EXPECT_EQ(fingerprints(comm::shm_threads(2), shards, run), expected) << "in shared memory";
  }
}

INSTANTIATE_TEST_SUITE_P(Worlds, ExactCapturedStep,
                         testing::Combine(testing::Values(Model::mlp, Model::cnn),
                                          testing::Values(3, 4)));

// Batches of 12 samples of 4 numbers, and one layer.
struct OneLayer {
  explicit OneLayer(World& world, const DataParallelOptions& options = {.capture = true})
      : model(nn::Linear(4, 3)),
        sgd(model.parameters(), {.lr = 0.1}),
        ranks(model, sgd, world, options),
        batch(sharded(zeros({12, 4}), zeros({12}, {.dtype = DType::i64}), world.shards())) {}

  nn::Sequential model;
  optim::Sgd sgd;
  DataParallel ranks;
  ShardedBatch batch;
};

TEST(CapturedStep, RefusesALossWithAWeightOfItsOwn) {
  on_ranks(comm::threads(1), [](World& world) {
    OneLayer one(world);
    const std::string message = message_of<UsageError>([&] {
      one.ranks.step(one.batch, [&](const Part& part) {
        return WeightedLoss{cross_entropy(one.model(part.x), part.y), 2.0};
      });
    });
    EXPECT_THAT(message, testing::HasSubstr("capture: the loss has a weight of its own"));
  });
}

TEST(CapturedStep, RefusesACollectiveInTheLoss) {
  on_ranks(comm::threads(1), [](World& world) {
    OneLayer one(world);
    const std::string message = message_of<UsageError>([&] {
      one.ranks.step(one.batch, [&](const Part& part) {
        world.communicator().barrier();
        return cross_entropy(one.model(part.x), part.y);
      });
    });
    EXPECT_THAT(message, testing::HasSubstr("capture: a collective cannot be replayed"));
  });
}

TEST(CapturedStep, RefusesAnOptimizersStepInTheLoss) {
  on_ranks(comm::threads(1), [](World& world) {
    OneLayer one(world);
    const std::string message = message_of<UsageError>([&] {
      one.ranks.step(one.batch, [&](const Part& part) {
        one.sgd.step();
        return cross_entropy(one.model(part.x), part.y);
      });
    });
    EXPECT_THAT(message, testing::HasSubstr("capture: an optimizer's step cannot be replayed"));
    EXPECT_THAT(message, testing::HasSubstr("move it out of the function that is captured"));
  });
}

TEST(CapturedStep, RefusesLayersWhoseCollectivesAreInTheMiddleOfAPass) {
  on_ranks(comm::threads(1), [](World& world) {
    nn::Sequential model(parallel::SyncBatchNorm(4, world));
    optim::Sgd sgd(model.parameters(), {.lr = 0.1});
    EXPECT_THAT(message_of<UsageError>([&] { DataParallel(model, sgd, world, {.capture = true}); }),
                testing::HasSubstr("DataParallel: capture, and a SyncBatchNorm"));
  });
}

TEST(CapturedStep, NamesWhatTheLossDoesThatCannotBeReplayed) {
  on_ranks(comm::threads(1), [](World& world) {
    OneLayer one(world);
    const std::string message = message_of<UsageError>([&] {
      one.ranks.step(one.batch, [&](const Part& part) {
        Tensor loss = cross_entropy(one.model(part.x), part.y);
        if (loss.item() < 0) throw Error({"never", "never"});
        return loss;
      });
    });
    EXPECT_THAT(message, testing::HasSubstr("capture: item cannot be replayed"));
  });
}

TEST(CapturedStep, CallsTheLossOnceForAShapeAndAgainWhenParametersAreFrozen) {
  on_ranks(comm::threads(1), [](World& world) {
    OneLayer one(world);
    int calls = 0;
    const auto loss = [&](const Part& part) {
      ++calls;
      return cross_entropy(one.model(part.x), part.y);
    };
    for (int i = 0; i < 3; ++i) one.ranks.step(one.batch, loss);
    EXPECT_EQ(calls, 1);
    const Tensor bias = one.model.parameters()[1].second;
    require_grad(bias, false);
    const auto frozen = bias.to_vector();
    for (int i = 0; i < 3; ++i) one.ranks.step(one.batch, loss);
    EXPECT_EQ(calls, 2);
    EXPECT_EQ(bias.to_vector(), frozen);
  });
}

}  // namespace
}  // namespace lockstep::tests
