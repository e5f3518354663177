// Mixed precision over several ranks: the same bits on any number of them, and common decisions.
#include <gtest/gtest.h>

#include <cmath>
#include <mutex>
#include <set>

#include "lockstep/nn/sequential.h"
#include "lockstep/ops/rows.h"
#include "lockstep/optim/adamw.h"
#include "lockstep/tensor/views.h"
#include "tests/support/scratch.h"
#include "tests/support/thread_world.h"
#include "tests/support/training_run.h"

namespace lockstep::tests {
namespace {

constexpr int shards = 4;

// What the ranks end a stage with.
std::set<std::uint64_t> fingerprints(int size, const TrainingRun& run, const Stage& stage) {
  std::set<std::uint64_t> found;
  std::mutex mutex;
  on_ranks(size,
           [&](World& world) {
             const std::uint64_t own = fingerprint_after(world, run, stage);
             const std::lock_guard lock(mutex);
             found.insert(own);
           },
           {.shards = shards});
  return found;
}

std::set<std::uint64_t> fingerprints(int size, const TrainingRun& run) {
  return fingerprints(size, run, {0, run.steps, {}});
}

class ExactMixedPrecision : public testing::TestWithParam<std::tuple<Model, DType>> {
 protected:
  // With a scale that the first steps cannot keep: some of them are skipped.
  static TrainingRun run() {
    return {.model = std::get<0>(GetParam()),
            .steps = 15,
            .compute = std::get<1>(GetParam()),
            .loss_scale = {.scale = 0x1p24, .growth_steps = 4}};
  }
};

TEST_P(ExactMixedPrecision, GivesTheSameBitsOnAnyNumberOfRanks) {
  TrainingRun run = this->run();
  const auto expected = fingerprints(1, run);
  ASSERT_EQ(expected.size(), 1U);
  for (const Tail tail : {Tail::plain, Tail::fused}) {
    run.options.tail = tail;
    for (const int size : {2, 3, 4}) EXPECT_EQ(fingerprints(size, run), expected) << size;
  }
}

TEST_P(ExactMixedPrecision, GivesTheSameBitsWhenCaptured) {
  TrainingRun run = this->run();
  const auto expected = fingerprints(2, run);
  run.options.capture = true;
  EXPECT_EQ(fingerprints(2, run), expected);
}

TEST_P(ExactMixedPrecision, ResumesOnAnotherNumberOfRanks) {
  const TrainingRun run = this->run();
  const auto expected = fingerprints(1, run);
  const Scratch scratch;
  fingerprints(2, run, {0, 7, scratch.folder()});
  EXPECT_EQ(fingerprints(3, run, {7, run.steps, scratch.folder()}), expected);
}

// Controls: the dtype is really computed in, and the order of the fold matters.
TEST_P(ExactMixedPrecision, ChangesWithTheDTypeAndTheFold) {
  TrainingRun run = this->run();
  run.batch = run.last_batch = 64;  // sums of a few halves would be exact in f32
  run.has_dropout = false;
  run.loss_scale.scale = 1024;
  const auto expected = fingerprints(2, run);
  run.exchanged = {1, 2};
  EXPECT_NE(fingerprints(2, run), expected);
  run.exchanged = {0, 0};
  run.compute = DType::f32;
  EXPECT_NE(fingerprints(2, run), expected);
}

INSTANTIATE_TEST_SUITE_P(Runs, ExactMixedPrecision,
                         testing::Combine(testing::Values(Model::mlp, Model::cnn),
                                          testing::Values(DType::bf16, DType::f16)));

// One rank's shard has a gradient beyond f16: all ranks skip the step, and nothing of it is left.
TEST(LossScaling, SkipsAStepOnAllRanksWhenOneShardOverflows) {
  for (const Tail tail : {Tail::plain, Tail::fused}) {
    on_ranks(3,
             [&](World& world) {
               const TrainingRun run{.model = Model::cnn};
               const auto model = model_for(run.model);
               model->compute_in(DType::f16);
               optim::AdamW adam(model->parameters());
               adam.scale_losses({.scale = 256, .growth_steps = 3});
               DataParallel ranks(*model, adam, world, {.tail = tail, .check_every = 1});
               const auto step = [&](double last_weight) {
                 const ShardedBatch batch = batch_of(run, 0, world.shards());
                 int shard = world.shards().first;
                 return ranks.step(batch, [&](const Part& part) {
                   const bool is_last = shard++ == shards - 1;
                   return WeightedLoss{cross_entropy((*model)(part.x), part.y),
                                       is_last ? last_weight : 1.0};
                 });
               };
               const auto values = [&] {
                 std::vector<float> all;
                 for (const auto& [name, x] : model->state()) {
                   const std::vector<float> each = x.to_vector();
                   all.insert(all.end(), each.begin(), each.end());
                 }
                 return all;
               };
               EXPECT_FALSE(step(1).is_skipped);
               const std::vector<float> before = values();
               const StepReport report = step(1e9);
               EXPECT_TRUE(report.is_skipped);
               EXPECT_EQ(report.loss_scale, 256);
               EXPECT_EQ(report.step, 2);
               EXPECT_FALSE(std::isfinite(report.gradient_norm));
               EXPECT_EQ(values(), before);
               EXPECT_EQ(adam.steps(), 1);
               EXPECT_EQ(adam.loss_scaler()->scale(), 128);
               EXPECT_FALSE(step(1).is_skipped);
               EXPECT_NE(values(), before);
               step(1);
               step(1);
               EXPECT_EQ(adam.loss_scaler()->scale(), 256);
             },
             {.shards = shards});
  }
}

// The scale is a power of two, so that it leaves no trace.
TEST(LossScaling, LeavesGradientsAndNormAsTheyAre) {
  on_ranks(2, [](World& world) {
    const TrainingRun run{.has_dropout = false};
    const ShardedBatch batch = batch_of(run, 0, world.shards());
    std::vector<std::vector<float>> gradients;
    std::vector<double> norms;
    for (const double scale : {1.0, 1024.0}) {
      const auto model = model_for(run.model, false);
      optim::AdamW adam(model->parameters());
      adam.scale_losses({.scale = scale});
      DataParallel ranks(*model, adam, world);
      ranks.compute_gradients(
          batch, [&](const Part& part) { return cross_entropy((*model)(part.x), part.y); });
      for (const auto& [name, x] : ranks.gradients()) gradients.push_back(x.to_vector());
      norms.push_back(ranks.update().gradient_norm);
    }
    const std::size_t half = gradients.size() / 2;
    for (std::size_t i = 0; i < half; ++i) EXPECT_EQ(gradients[i], gradients[half + i]) << i;
    EXPECT_EQ(norms[0], norms[1]);
  });
}

}  // namespace
}  // namespace lockstep::tests
