#include "lockstep/optim/clip.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "lockstep/base/error.h"
#include "lockstep/optim/sgd.h"
#include "tests/support/failure.h"
#include "tests/support/leaves.h"

namespace lockstep::optim {
namespace {

using lockstep::testing::give_gradient;
using lockstep::testing::give_random_gradients;
using lockstep::testing::random_leaf;
using lockstep::testing::random_parameters;

double reference_norm(const State& parameters) {
  double total = 0;
  for (const auto& [name, parameter] : parameters) {
    for (const double g : gradient(parameter).to_vector<double>()) total += g * g;
  }
  return std::sqrt(total);
}

TEST(Clip, NormIsThatOfAllGradientsTogether) {
  std::mt19937 random(1);
  for (const DType dtype : {DType::f32, DType::f64}) {
    const State parameters =
        random_parameters({{3, 5}, {norm_block}, {2 * norm_block + 17}, {}}, random, dtype);
    Sgd optimizer(parameters);
    give_random_gradients(parameters, random);
    EXPECT_NEAR(gradient_norm(optimizer), reference_norm(parameters),
                1e-6 * reference_norm(parameters));
    optimizer.scale_gradients(0.25);
    EXPECT_NEAR(gradient_norm(optimizer), 0.25 * reference_norm(parameters),
                1e-6 * reference_norm(parameters));
  }
}

TEST(Clip, NormIsExactlyTheSameInAnyLayout) {
  std::mt19937 random(2);
  const State parameters = random_parameters({{30, 50}, {norm_block + 5}, {70}}, random);
  Sgd optimizer(parameters);
  give_random_gradients(parameters, random);
  const double before = gradient_norm(optimizer);
  optimizer.arenas()[0].reorder(std::vector<int>{2, 0, 1});
  EXPECT_EQ(gradient_norm(optimizer), before);
}

TEST(Clip, NormIsExactlyTheSameFromSumsOfAnyRunsOfBlocks) {
  std::mt19937 random(8);
  const State parameters =
      random_parameters({{5 * norm_block + 3}, {30}, {3 * norm_block}, {norm_block - 1}}, random);
  Sgd optimizer(parameters);
  give_random_gradients(parameters, random);
  const double expected = gradient_norm(optimizer);
  const Arena& arena = optimizer.arenas()[0];
  for (int round = 0; round < 20; ++round) {
    NormBlocks blocks(optimizer, {true, true, true, true});
    std::int64_t begin = 0;
    for (const Segment& segment : arena.segments()) {
      for (std::int64_t end = segment.offset + norm_block; end < segment.range().end;
           end += norm_block) {
        if (random() % 2 == 0) continue;
        blocks.sum(0, {begin, end});
        begin = end;
      }
    }
    blocks.sum(0, {begin, arena.count()});
    EXPECT_EQ(blocks.norm(), expected);
  }
}

TEST(Clip, CountsOnlyParametersThatTakePart) {
  std::mt19937 random(3);
  const State parameters = random_parameters({{3}, {4}}, random);
  Sgd optimizer(parameters);
  give_gradient(parameters[0].second, std::vector<double>{3, 0, 0});
  give_gradient(parameters[1].second, std::vector<double>{4, 0, 0, 0});
  EXPECT_DOUBLE_EQ(gradient_norm(optimizer), 5);
  EXPECT_DOUBLE_EQ(gradient_norm(optimizer, {false, true}), 4);
  optimizer.step();
  EXPECT_EQ(gradient_norm(optimizer), 0);
}

TEST(Clip, ScalesTheUpdateOfGradientsAboveTheLimit) {
  std::mt19937 random(4);
  const Tensor x = random_leaf({2}, random);
  Sgd optimizer({{"x", x}}, {.lr = 1});
  const std::vector<float> start = x.to_vector();
  give_gradient(x, std::vector<double>{3, 4});
  EXPECT_DOUBLE_EQ(clip_gradient_norm(optimizer, 1), 5);
  EXPECT_DOUBLE_EQ(gradient_norm(optimizer), 1);
  optimizer.step();
  EXPECT_NEAR(x.to_vector()[0], start[0] - 0.6, 1e-6);
  EXPECT_NEAR(x.to_vector()[1], start[1] - 0.8, 1e-6);
}

TEST(Clip, LeavesGradientsBelowTheLimitAndBrokenOnesAlone) {
  std::mt19937 random(5);
  const Tensor x = random_leaf({2}, random);
  Sgd optimizer({{"x", x}});
  give_gradient(x, std::vector<double>{3, 4});
  EXPECT_DOUBLE_EQ(clip_gradient_norm(optimizer, 5), 5);
  EXPECT_EQ(optimizer.gradient_scale(), 1);
  optimizer.discard_gradients();
  give_gradient(x, std::vector<double>{std::numeric_limits<double>::quiet_NaN(), 4});
  EXPECT_TRUE(std::isnan(clip_gradient_norm(optimizer, 1)));
  EXPECT_EQ(optimizer.gradient_scale(), 1);
}

TEST(Clip, RefusesALimitThatIsNotPositive) {
  std::mt19937 random(6);
  Sgd optimizer(random_parameters({{2}}, random));
  const auto refusal = [&](double limit) {
    return tests::failure_of<UsageError>([&] { clip_gradient_norm(optimizer, limit); });
  };
  EXPECT_EQ(refusal(0).problem(), "clip_gradient_norm: the limit is 0");
  EXPECT_EQ(refusal(0).fix(), "give a limit above 0");
  EXPECT_EQ(refusal(std::nan("")).problem(), "clip_gradient_norm: the limit is nan");
}

}  // namespace
}  // namespace lockstep::optim
