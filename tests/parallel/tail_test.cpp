// What a user sees of the fused tail, and of steps that end in the middle.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "lockstep/base/error.h"
#include "lockstep/nn/activation.h"
#include "lockstep/nn/linear.h"
#include "lockstep/nn/sequential.h"
#include "lockstep/ops/random.h"
#include "lockstep/ops/rows.h"
#include "lockstep/optim/adamw.h"
#include "lockstep/optim/sgd.h"
#include "lockstep/tensor/create.h"
#include "tests/support/failure.h"
#include "tests/support/thread_world.h"
#include "tests/support/training_run.h"

namespace lockstep::tests {
namespace {

using testing::HasSubstr;

// A model on its way, with batches of one size.
class Training {
 public:
  Training(World& world, const DataParallelOptions& options)
      : world_(world),
        model(model_for(Model::mlp)),
        adam(model->parameters(), {.lr = 0.01}),
        ranks(*model, adam, world, options) {}

  ShardedBatch batch() const { return batch_of({}, 0, world_.shards()); }
  std::function<Tensor(const Part&)> loss() {
    return [this](const Part& part) { return cross_entropy((*model)(part.x), part.y); };
  }
  StepReport step() { return ranks.step(batch(), loss()); }

 private:
  World& world_;

 public:
  std::unique_ptr<nn::Module> model;
  optim::AdamW adam;
  DataParallel ranks;
};

TEST(FusedTail, RefusesToShowAnIncompleteStateUntilItIsGathered) {
  on_ranks(3, [](World& world) {
    Training fused(world, {.tail = Tail::fused});
    Training plain(world, {.tail = Tail::plain});
    for (int i = 0; i < 3; ++i) {
      fused.step();
      plain.step();
    }
    const auto error = failure_of<UsageError>([&] { (void)fused.adam.state(); });
    EXPECT_THAT(error.problem(),
                HasSubstr("each rank holds the current state of its own elements"));
    EXPECT_THAT(error.fix(), HasSubstr("DataParallel::gather_optimizer_state() on all ranks"));
    fused.ranks.gather_optimizer_state();
    EXPECT_EQ(fingerprint(fused.adam.state()), fingerprint(plain.adam.state()));
    fused.step();
    EXPECT_THROW((void)fused.adam.state(), UsageError);
  });
}

TEST(FusedTail, KeepsAndTouchesOnlyItsShareOfTheState) {
  on_ranks(4, [](World& world) {
    Training fused(world, {.tail = Tail::fused});
    fused.step();  // plain: it shows the order of arrival
    const optim::Arena& arena = fused.adam.arenas().front();
    const core::Buffer moments = arena.state(0, {0, arena.count()});
    const auto* values = static_cast<const float*>(moments.data);
    const std::vector<float> before(values, values + arena.count());
    fused.step();
    std::int64_t touched = 0;
    for (std::int64_t i = 0; i < arena.count(); ++i)
      touched += values[i] != before[static_cast<std::size_t>(i)];
    EXPECT_GT(touched, 0);
    EXPECT_LT(touched, arena.count() / 2);
  });
}

TEST(FusedTail, IsCompleteAfterAStateIsLoaded) {
  on_ranks(2, [](World& world) {
    Training training(world, {.tail = Tail::fused});
    State saved;
    for (const auto& [name, x] : training.adam.state())
      saved.emplace_back(name, zeros(x.shape(), {.dtype = x.dtype()}));
    training.step();
    training.step();
    training.adam.load_state(saved);
    EXPECT_EQ(fingerprint(training.adam.state()), fingerprint(saved));
  });
}

TEST(FusedTail, PassesAnOptimizerOnOnlyWithItsWholeState) {
  on_ranks(2, [](World& world) {
    const auto model = model_for(Model::mlp);
    optim::AdamW adam(model->parameters(), {.lr = 0.01});
    const auto train = [&](bool gathers) {
      DataParallel ranks(*model, adam, world, {.tail = Tail::fused});
      const ShardedBatch batch = batch_of({}, 0, world.shards());
      for (int i = 0; i < 3; ++i) {
        ranks.step(batch,
                   [&](const Part& part) { return cross_entropy((*model)(part.x), part.y); });
      }
      if (gathers) ranks.gather_optimizer_state();
    };
    train(true);
    train(false);
    EXPECT_THAT(message_of<UsageError>([&] { train(true); }),
                HasSubstr("an earlier one still hold the optimizer's state in parts"));
  });
}

TEST(FusedTail, GivesTheWholeGradientBetweenItsHalves) {
  for (const std::int64_t bucket_bytes : {1, 0}) {
    on_ranks(3,
             [&](World& world) {
               std::vector<std::uint64_t> gradients, weights;
               for (const Tail tail : {Tail::plain, Tail::fused}) {
                 Training training(world, {.bucket_bytes = bucket_bytes, .tail = tail});
                 training.step();
                 training.ranks.compute_gradients(training.batch(), training.loss());
                 gradients.push_back(fingerprint(training.ranks.gradients()));
                 gradients.push_back(fingerprint(training.ranks.gradients()));
                 training.ranks.update();
                 weights.push_back(fingerprint(training.model->state()));
               }
               EXPECT_THAT(gradients, testing::Each(gradients.front()));
               EXPECT_EQ(weights[0], weights[1]);
             },
             {.shards = 4});
  }
}

TEST(FusedTail, MeasuresTheNormThatThePlainOneMeasures) {
  on_ranks(4, [](World& world) {
    Training fused(world, {.clip_norm = 0.01, .tail = Tail::fused});
    Training plain(world, {.clip_norm = 0.01, .tail = Tail::plain});
    for (int i = 0; i < 4; ++i) EXPECT_EQ(fused.step().gradient_norm, plain.step().gradient_norm);
  });
}

class BothTails : public testing::TestWithParam<Tail> {};

TEST_P(BothTails, StopBeforeALossThatIsNotFiniteAndGoOn) {
  on_ranks(3, [&](World& world) {
    Training training(world, {.bucket_bytes = 300, .tail = GetParam()});
    training.step();
    training.step();
    const std::uint64_t before = fingerprint(training.model->state());
    ShardedBatch broken = training.batch();
    if (world.rank() == 1)
      broken.parts[0].x = full(broken.parts[0].x.shape(), std::numeric_limits<double>::infinity());
    const std::string message = message_of([&] { training.ranks.step(broken, training.loss()); });
    EXPECT_THAT(message, HasSubstr("the weights are those after step 2"));
    EXPECT_EQ(fingerprint(training.model->state()), before);
    EXPECT_EQ(training.step().step, 3);
  });
}

TEST_P(BothTails, DropGradientsThatWereComputedTwice) {
  on_ranks(2, [&](World& world) {
    Training twice(world, {.tail = GetParam()});
    Training once(world, {.tail = GetParam()});
    for (int i = 0; i < 3; ++i) {
      twice.ranks.compute_gradients(twice.batch(), twice.loss());
      twice.step();
      once.step();
    }
    EXPECT_EQ(fingerprint(twice.model->state()), fingerprint(once.model->state()));
  });
}

TEST_P(BothTails, TellTheOtherRanksOfAnExceptionInTheMiddleAndRefuseLaterSteps) {
  on_ranks(3, [&](World& world) {
    Training training(world, {.bucket_bytes = 300, .tail = GetParam()});
    const auto loss = [&](const Part& part) {
      if (world.rank() == 1 && training.ranks.steps() == 2)
        throw std::runtime_error("no such file");
      return training.loss()(part);
    };
    const auto train = [&] {
      while (training.ranks.steps() < 3) training.ranks.step(training.batch(), loss);
    };
    if (world.rank() == 1) {
      EXPECT_THROW(train(), std::runtime_error);
    } else {  // a rank that is late may still be in step 2 when it hears
      EXPECT_THAT(failure_of<CommError>(train).problem(),
                  HasSubstr("step 3 ended in the middle on rank 1: no such file"));
    }
    const auto refusal = failure_of<UsageError>([&] { training.step(); });
    EXPECT_THAT(refusal.problem(), HasSubstr("ended in the middle with an exception"));
    EXPECT_THAT(refusal.fix(), HasSubstr("go on from its last checkpoint"));
  });
}

TEST_P(BothTails, LetARankThatIsAloneGoOnAfterAnException) {
  on_ranks(1,
           [&](World& world) {
             Training training(world, {.tail = GetParam()});
             training.step();
             int calls = 0;
             EXPECT_THROW(training.ranks.step(training.batch(),
                                              [&](const Part& part) {
                                                if (++calls == 2) throw std::runtime_error("once");
                                                return training.loss()(part);
                                              }),
                          std::runtime_error);
             EXPECT_EQ(training.step().step, 2);
           },
           {.shards = 3});
}

INSTANTIATE_TEST_SUITE_P(Tails, BothTails, testing::Values(Tail::plain, Tail::fused));

TEST(DataParallelOptions, AreRefusedWhereTheyMakeNoSense) {
  on_ranks(1, [](World& world) {
    EXPECT_THAT(message_of<UsageError>([&] { Training(world, {.bucket_bytes = -1}); }),
                HasSubstr("bucket_bytes -1"));
    EXPECT_THAT(message_of<UsageError>([&] { Training(world, {.clip_norm = -2}); }),
                HasSubstr("clip_norm -2"));
  });
}

}  // namespace
}  // namespace lockstep::tests
