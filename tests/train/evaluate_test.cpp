#include "lockstep/train/evaluate.h"

#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <vector>

#include "lockstep/autograd/grad_mode.h"
#include "lockstep/ops/linalg.h"
#include "tests/support/blobs.h"
#include "tests/support/thread_world.h"

namespace lockstep::tests {
namespace {

using train::evaluate;
using train::PartScore;
using train::Score;

TEST(Evaluate, SeesEverySampleExactlyOnceWhateverTheRanks) {
  constexpr std::int64_t samples = 103;
  const Tensor numbers = arange(0, samples, 1, {.dtype = DType::i64});
  const auto set = data::in_memory(numbers, numbers);
  for (const int ranks : {1, 2, 3, 5}) {
    std::mutex mutex;
    std::map<std::int64_t, int> seen;
    on_ranks(ranks, [&](World& world) {
      data::Loader loader(set, {.batch = 10, .shuffle = false}, world.shards());
      const Score score = evaluate(loader, world, [&](const data::Batch& part) {
        const std::lock_guard lock(mutex);
        for (const auto number : part.x.to_vector<std::int64_t>()) ++seen[number];
        return PartScore{static_cast<double>(part.count), 0};
      });
      EXPECT_EQ(score.samples, samples);
      EXPECT_EQ(score.loss, 1);
    });
    EXPECT_EQ(seen.size(), static_cast<std::size_t>(samples)) << ranks << " ranks";
    for (const auto& [number, times] : seen) EXPECT_EQ(times, 1) << number;
  }
}

TEST(Evaluate, GivesExactlyTheSameScoreOnAnyNumberOfRanks) {
  const auto set = blobs(205, 7);
  std::vector<Score> scores;
  for (const int ranks : {1, 2, 3, 4}) {
    std::mutex mutex;
    on_ranks(ranks,
             [&](World& world) {
               nn::Sequential model = small_model();
               data::Loader loader(set, {.batch = 32, .shuffle = false}, world.shards());
               const Score score = evaluate(model, loader, world);
               const std::lock_guard lock(mutex);
               scores.push_back(score);
             },
             {.shards = 4});
  }
  ASSERT_EQ(scores.size(), 1U + 2 + 3 + 4);
  for (const Score& score : scores) {
    EXPECT_EQ(score.loss, scores[0].loss);
    EXPECT_EQ(score.accuracy, scores[0].accuracy);
    EXPECT_EQ(score.samples, 205);
  }
  EXPECT_GT(scores[0].loss, 0);
}

// Remembers in which mode it was called.
class Spy : public nn::Module {
 public:
  Tensor forward(const Tensor& x) override {
    was_training = is_training();
    was_recording = is_grad_enabled();
    return matmul(x, ones({2, 4}));
  }
  bool was_training = true;
  bool was_recording = true;
};

TEST(Evaluate, UsesEvaluationModeAndGivesTheOldOneBack) {
  on_ranks(1, [](World& world) {
    Spy model;
    data::Loader loader(blobs(8, 1), {.batch = 4, .shuffle = false}, world.shards());
    evaluate(model, loader, world);
    EXPECT_FALSE(model.was_training);
    EXPECT_FALSE(model.was_recording);
    EXPECT_TRUE(model.is_training());
    EXPECT_TRUE(is_grad_enabled());
    model.eval();
    evaluate(model, loader, world);
    EXPECT_FALSE(model.is_training());
  });
}

}  // namespace
}  // namespace lockstep::tests
