#include "lockstep/parallel/data_parallel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/parameter.h"
#include "lockstep/base/error.h"
#include "lockstep/nn/linear.h"
#include "lockstep/ops/pointwise.h"
#include "lockstep/ops/random.h"
#include "lockstep/ops/reduce.h"
#include "lockstep/ops/rows.h"
#include "lockstep/optim/sgd.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"
#include "tests/support/failure.h"
#include "tests/support/thread_world.h"
#include "tests/support/training_run.h"

namespace lockstep::tests {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// y = w x, and a second weight that only some shards use.
class TwoWeights : public nn::Module {
 public:
  Tensor forward(const Tensor& x) override { return mul(x, first); }
  void visit(nn::Visitor& visitor) override {
    visitor.parameter("first", first);
    visitor.parameter("second", second);
    visitor.parameter("third", third);
  }
  Tensor first = require_grad(full({2}, 1, {.dtype = DType::f64}));
  Tensor second = require_grad(full({2}, 1, {.dtype = DType::f64}));
  Tensor third = require_grad(full({2}, 1, {.dtype = DType::f64}));
};

Tensor rows(std::int64_t count) {
  const core::RandomScope keys(3, 0, 0);
  return normal({count, 2}, {.dtype = DType::f64});
}

std::vector<double> gradient_of(const State& gradients, const std::string& name) {
  for (const auto& [other, gradient] : gradients) {
    if (other == name) return gradient.to_vector<double>();
  }
  return {};
}

// d/dw of the mean over all rows of sum((x w)^2) is 2 w mean(x^2).
std::vector<double> expected_gradient(const Tensor& x) {
  std::vector<double> sums(2, 0.0);
  const auto values = x.to_vector<double>();
  for (std::size_t i = 0; i < values.size(); ++i) sums[i % 2] += 2 * values[i] * values[i];
  for (double& each : sums) each /= static_cast<double>(x.size(0));
  return sums;
}

Tensor mean_square(const Tensor& y) {
  return mul(sum(mul(y, y)), 1.0 / static_cast<double>(y.size(0)));
}

TEST(DataParallel, GivesTheMeanOverTheGlobalBatchWhateverTheCut) {
  for (const SumMode mode : {SumMode::lockstep, SumMode::fast}) {
    for (const std::int64_t count : {1, 2, 7, 16}) {
      for (const int shards : {1, 3, 8}) {
        on_ranks(3,
                 [&](World& world) {
                   TwoWeights model;
                   optim::Sgd sgd(model.parameters());
                   DataParallel ranks(model, sgd, world, {.mode = mode});
                   const Tensor x = rows(count);
                   ranks.compute_gradients(sharded(x, x, world.shards()), [&](const Part& part) {
                     return mean_square(model(part.x));
                   });
                   const auto gradient = gradient_of(ranks.gradients(), "first");
                   EXPECT_THAT(gradient, testing::Pointwise(testing::DoubleNear(1e-12),
                                                            expected_gradient(x)));
                   EXPECT_NEAR(ranks.update().weight, static_cast<double>(count), 0);
                 },
                 {.shards = shards});
      }
    }
  }
}

TEST(DataParallel, WeighsLossesByTheirOwnWeights) {
  on_ranks(2,
           [](World& world) {
             TwoWeights model;
             optim::Sgd sgd(model.parameters());
             DataParallel ranks(model, sgd, world);
             const Tensor x = rows(9);
             ranks.compute_gradients(sharded(x, x, world.shards()), [&](const Part& part) {
               return WeightedLoss{mean_square(model(part.x)), static_cast<double>(part.count)};
             });
             const auto gradient = gradient_of(ranks.gradients(), "first");
             EXPECT_THAT(gradient,
                         testing::Pointwise(testing::DoubleNear(1e-12), expected_gradient(x)));
             ranks.update();
             const double expected = 1 - 0.01 * expected_gradient(x)[0];
             EXPECT_NEAR(model.first.at({0}), expected, 1e-12);
           },
           {.shards = 4});
}

TEST(DataParallel, LeavesUnusedParametersAndTheirStateAlone) {
  on_ranks(2,
           [](World& world) {
             TwoWeights model;
             optim::Sgd sgd(model.parameters(), {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.5});
             DataParallel ranks(model, sgd, world);
             const Tensor x = rows(4);
             // `second` takes part on the last shard only, `third` on none.
             ranks.step(sharded(x, x, world.shards()), [&](const Part& part) {
               const bool is_last = part.x.at({0, 0}) == x.at({3, 0});
               const Tensor y = model(part.x);
               return mean_square(is_last ? mul(y, model.second) : y);
             });
             EXPECT_NE(model.second.at({0}), 1);
             EXPECT_EQ(model.third.at({0}), 1);
             for (const auto& [name, state] : sgd.state()) {
               if (name == "momentum.third") {
                 EXPECT_EQ(state.to_vector<double>(), std::vector<double>(2, 0.0));
               }
             }
           },
           {.shards = 4});
}

TEST(DataParallel, SkipsFrozenParametersAndPlansAnewWhenTheyThaw) {
  on_ranks(2, [](World& world) {
    TwoWeights model;
    optim::Sgd sgd(model.parameters(), {.lr = 0.1});
    DataParallel ranks(model, sgd, world, {.bucket_bytes = 1});
    const Tensor x = rows(4);
    const auto step = [&] {
      ranks.step(sharded(x, x, world.shards()),
                 [&](const Part& part) { return mean_square(mul(model(part.x), model.second)); });
    };
    require_grad(model.second, false);
    step();
    EXPECT_EQ(model.second.at({0}), 1);
    EXPECT_NE(model.first.at({0}), 1);
    require_grad(model.second);
    step();
    EXPECT_NE(model.second.at({0}), 1);
  });
}

TEST(DataParallel, StartsEveryRankFromRankZerosWeights) {
  on_ranks(3, [](World& world) {
    const core::RandomScope keys(static_cast<std::uint64_t>(world.rank()), 0, 0);
    nn::Linear model(4, 4);
    optim::Sgd sgd(model.parameters());
    DataParallel ranks(model, sgd, world);
    const core::RandomScope keys_of_rank_0(0, 0, 0);
    nn::Linear expected(4, 4);
    EXPECT_EQ(fingerprint(model.state()), fingerprint(expected.state()));
  });
}

TEST(DataParallel, RefusesALossThatIsNotFiniteAndKeepsTheWeights) {
  on_ranks(2, [](World& world) {
    TwoWeights model;
    optim::Sgd sgd(model.parameters());
    DataParallel ranks(model, sgd, world);
    Tensor x = rows(4);
    const auto loss = [&](const Part& part) { return mean_square(model(part.x)); };
    ranks.step(sharded(x, x, world.shards()), loss);
    const std::uint64_t before = fingerprint(model.state());
    x.set({3, 1}, std::numeric_limits<double>::quiet_NaN());
    const std::string message =
        message_of([&] { ranks.step(sharded(x, x, world.shards()), loss); });
    EXPECT_THAT(message, HasSubstr("step 2: the loss is nan; the weights are those after step 1"));
    EXPECT_THAT(message, HasSubstr("fix:   lower the learning rate"));
    EXPECT_EQ(fingerprint(model.state()), before);
    x.set({3, 1}, 0);
    EXPECT_EQ(ranks.step(sharded(x, x, world.shards()), loss).step, 2);
  });
}

TEST(DataParallel, NamesABatchThatDoesNotFitTheWorld) {
  on_ranks(1, [](World& world) {
    TwoWeights model;
    optim::Sgd sgd(model.parameters());
    DataParallel ranks(model, sgd, world);
    const Tensor x = rows(4);
    const auto loss = [&](const Part& part) { return mean_square(model(part.x)); };
    EXPECT_THAT(message_of([&] {
                  ranks.step(sharded(x, x, {0, 2, 2}), loss);
                }),
                AllOf(HasSubstr("a batch of 2 parts on a rank that owns 1 shards"),
                      HasSubstr("fix:   give the loader this world's shards()")));
    EXPECT_THAT(message_of([&] { ranks.step(sharded(rows(0), rows(0), world.shards()), loss); }),
                HasSubstr("a batch of 0 samples"));
    EXPECT_THAT(message_of([&] { ranks.update(); }),
                AllOf(HasSubstr("update: there are no gradients"),
                      HasSubstr("fix:   call compute_gradients first")));
    const std::string none = message_of([&] { (void)ranks.gradients(); });
    EXPECT_THAT(none, HasSubstr("gradients: there are none now"));
    EXPECT_THAT(none, HasSubstr("fix:   ask between compute_gradients and update"));
    EXPECT_THAT(message_of([&] {
                  ranks.step(sharded(x, x, world.shards()),
                             [&](const Part& part) { return model(part.x); });
                }),
                AllOf(HasSubstr("the loss has shape [4, 2]"),
                      HasSubstr("fix:   return the mean loss over the part, one number")));
  });
}

TEST(DataParallel, AgreesWithOneProcessInFastMode) {
  const auto train = [](int size) {
    std::vector<double> weights;
    on_ranks(size,
             [&](World& world) {
               TwoWeights model;
               optim::Sgd sgd(model.parameters(), {.momentum = 0.9});
               DataParallel ranks(model, sgd, world, {.mode = SumMode::fast});
               const Tensor x = rows(13);
               for (int step = 0; step < 30; ++step) {
                 ranks.step(sharded(x, x, world.shards()),
                            [&](const Part& part) { return mean_square(model(part.x)); });
               }
               if (world.is_root()) weights = model.first.to_vector<double>();
             },
             {.shards = 6});
    return weights;
  };
  EXPECT_THAT(train(4), testing::Pointwise(testing::DoubleNear(1e-9), train(1)));
}

}  // namespace
}  // namespace lockstep::tests
