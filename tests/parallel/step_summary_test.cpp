#include "src/parallel/step_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <mutex>

#include "lockstep/parallel/shard_tree.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"
#include "tests/support/thread_world.h"

namespace lockstep::parallel {
namespace {

using testing::ElementsAre;

constexpr int shards = 6;
constexpr std::size_t parameters = 4;
// Of each shard; the fourth has no sample.
constexpr double losses[shards] = {0.1, 0.7, 1e6, 123, 1e-3, 0.3};
constexpr double weights[shards] = {3, 2, 1, 0, 5, 4};

// A step whose shards do what `body` says.
void run_step(StepSummary& summary, const core::ShardRange& mine,
              const std::function<void(int shard)>& body) {
  const ShardSchedule schedule = schedule_of(mine);
  summary.begin_step();
  for (int i = 0; i < mine.count(); ++i) {
    summary.begin_shard();
    body(mine.first + i);
    summary.end_shard();
    if (i + 1 < mine.count()) summary.finish_shard(schedule.additions[static_cast<std::size_t>(i)]);
  }
  summary.record_times({0.25, 0.5, static_cast<double>(mine.first)});
  summary.start(mine.count() == 0 ? 0 : schedule.additions.back(), 0);
  summary.wait();
}

// Runs body(world, summary) on as many ranks, each with the buffers {"mean", a tensor of `buffer`}.
void on_ranks(int size, const Tensor& buffer,
              const std::function<void(World&, StepSummary&, const Tensor&)>& body) {
  tests::on_ranks(
      size,
      [&](World& world) {
        const Tensor own = copied(buffer);
        StepSummary summary(parameters, {{"mean", own}}, world.communicator(), world.shards());
        body(world, summary, own);
      },
      {.shards = shards});
}

TEST(StepSummary, GivesTheWeightedMeanLossWithTheSameBitsOnAnyNumberOfRanksExact) {
  double sum = 0, weight = 0;
  for (int shard = 0; shard < shards; ++shard) {
    sum += losses[shard] * weights[shard];
    weight += weights[shard];
  }
  std::vector<double> found;
  std::mutex mutex;
  for (const int size : {1, 2, 3, 5, 8}) {
    on_ranks(size, zeros({1}), [&](World& world, StepSummary& summary, const Tensor&) {
      run_step(summary, world.shards(),
               [&](int shard) { summary.record_loss(losses[shard], weights[shard]); });
      EXPECT_EQ(summary.weight(), weight);
      EXPECT_NEAR(summary.loss(), sum / weight, 1e-9);
      const std::lock_guard lock(mutex);
      found.push_back(summary.loss());
    });
  }
  EXPECT_THAT(found, testing::Each(found[0]));
}

TEST(StepSummary, TellsWhichParametersAnyShardUsed) {
  on_ranks(3, zeros({1}), [](World& world, StepSummary& summary, const Tensor&) {
    run_step(summary, world.shards(), [&](int shard) {
      summary.record_loss(1, 1);
      summary.record_used(0);
      if (shard == 5) summary.record_used(2);
    });
    EXPECT_THAT(summary.used(), ElementsAre(true, false, true, false));
    run_step(summary, world.shards(), [&](int) { summary.record_loss(1, 1); });
    EXPECT_THAT(summary.used(), testing::Each(false)) << "nothing is left of the step before";
  });
}

TEST(StepSummary, TellsTheTimesOfEveryRank) {
  on_ranks(4, zeros({1}), [](World& world, StepSummary& summary, const Tensor&) {
    run_step(summary, world.shards(), [&](int) { summary.record_loss(1, 1); });
    const std::vector<RankTimes> times = summary.times();
    ASSERT_EQ(times.size(), 4U);
    for (int rank = 0; rank < 4; ++rank) {
      const RankTimes& each = times[static_cast<std::size_t>(rank)];
      EXPECT_EQ(each.between, 0.25);
      EXPECT_EQ(each.compute, 0.5);
      EXPECT_EQ(each.communication, core::shards_of(rank, 4, shards).first);
    }
  });
}

TEST(StepSummary, InstallsTheWeightedMeanOfTheShardsBuffersExact) {
  std::vector<std::vector<float>> found;
  std::mutex mutex;
  for (const int size : {1, 2, 3, 5, 8}) {
    on_ranks(size, full({2}, 7), [&](World& world, StepSummary& summary, const Tensor& buffer) {
      run_step(summary, world.shards(), [&](int shard) {
        EXPECT_EQ(buffer.to_vector(), std::vector<float>(2, 7)) << "every shard begins with it";
        summary.record_loss(0, weights[shard]);
        fill_elements(
            buffer, weights[shard] == 0 ? std::numeric_limits<double>::quiet_NaN() : losses[shard]);
      });
      summary.install_buffers();
      const std::lock_guard lock(mutex);
      found.push_back(buffer.to_vector());
    });
  }
  EXPECT_FLOAT_EQ(found[0][0], static_cast<float>((0.3 + 1.4 + 1e6 + 5e-3 + 1.2) / 15));
  EXPECT_THAT(found, testing::Each(found[0]));
}

TEST(StepSummary, GivesTheBuffersBackWhereNoShardHasASample) {
  on_ranks(2, full({2}, 7), [](World& world, StepSummary& summary, const Tensor& buffer) {
    run_step(summary, world.shards(), [&](int) {
      summary.record_loss(0, 0);
      fill_elements(buffer, 9);
    });
    summary.install_buffers();
    EXPECT_EQ(buffer.to_vector(), std::vector<float>(2, 7));
    EXPECT_EQ(summary.loss(), 0);
  });
}

TEST(StepSummary, LeavesBuffersAloneThatAreNoFloatingPointNumbers) {
  on_ranks(2, full({2}, 7, {.dtype = DType::i64}),
           [](World& world, StepSummary& summary, const Tensor& buffer) {
             run_step(summary, world.shards(), [&](int) {
               summary.record_loss(1, 1);
               fill_elements(buffer, 9);
             });
             summary.install_buffers();
             EXPECT_EQ(buffer.to_vector<int>(), std::vector<int>(2, 9));
           });
}

}  // namespace
}  // namespace lockstep::parallel
