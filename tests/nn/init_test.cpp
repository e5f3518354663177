#include "lockstep/nn/init.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "lockstep/autograd/parameter.h"
#include "lockstep/base/error.h"
#include "lockstep/core/random.h"
#include "lockstep/nn/conv.h"
#include "lockstep/nn/linear.h"
#include "lockstep/tensor/create.h"
#include "tests/support/failure.h"

namespace lockstep::nn {
namespace {

struct Moments {
  double mean = 0, deviation = 0, kurtosis = 0, largest = 0;
};

Moments moments_of(const Tensor& x) {
  const std::vector<double> values = x.to_vector<double>();
  const auto count = static_cast<double>(values.size());
  Moments m;
  for (const double v : values) {
    m.mean += v / count;
    m.largest = std::max(m.largest, std::abs(v));
  }
  double second = 0, fourth = 0;
  for (const double v : values) {
    second += std::pow(v - m.mean, 2) / count;
    fourth += std::pow(v - m.mean, 4) / count;
  }
  m.deviation = std::sqrt(second);
  m.kurtosis = fourth / (second * second);
  return m;
}

// 5 standard errors of n draws: of the mean, the deviation ((kurtosis - 1) / 4n) and, roughly, the
// kurtosis.
void expect_moments(const Tensor& x, double deviation, bool is_uniform) {
  const Moments m = moments_of(x);
  const auto n = static_cast<double>(x.elements());
  const double kurtosis = is_uniform ? 1.8 : 3;
  EXPECT_NEAR(m.mean, 0, 5 * deviation / std::sqrt(n));
  EXPECT_NEAR(m.deviation, deviation, 5 * deviation * std::sqrt((kurtosis - 1) / 4 / n));
  EXPECT_NEAR(m.kurtosis, kurtosis, 5 * std::sqrt(24 / n));
  if (is_uniform) {
    EXPECT_LE(m.largest, deviation * std::sqrt(3.0) * (1 + 1e-6));
    EXPECT_GT(m.largest, deviation * std::sqrt(3.0) * 0.99);
  }
}

class InitTest : public ::testing::Test {
 protected:
  InitTest() { core::manual_seed(11); }
  const Tensor dense_ = require_grad(empty({200, 300}));
  const Tensor kernel_ = empty({64, 3, 5, 32});
};

TEST_F(InitTest, FansAreInputsAndOutputsOfOneElement) {
  EXPECT_EQ(fans_of(dense_).in, 300);
  EXPECT_EQ(fans_of(dense_).out, 200);
  EXPECT_EQ(fans_of(kernel_).in, 3 * 5 * 32);
  EXPECT_EQ(fans_of(kernel_).out, 3 * 5 * 64);
}

TEST_F(InitTest, KaimingUniformHasItsMoments) {
  kaiming_uniform_(dense_);
  expect_moments(dense_, std::sqrt(2.0 / 300), true);
  kaiming_uniform_(kernel_, {.by_outputs = true, .slope = 0.5});
  expect_moments(kernel_, std::sqrt(2.0 / 1.25 / 960), true);
}

TEST_F(InitTest, KaimingNormalHasItsMoments) {
  kaiming_normal_(dense_, {.by_outputs = true});
  expect_moments(dense_, std::sqrt(2.0 / 200), false);
  kaiming_normal_(kernel_);
  expect_moments(kernel_, std::sqrt(2.0 / 480), false);
}

TEST_F(InitTest, XavierHasItsMoments) {
  xavier_uniform_(dense_);
  expect_moments(dense_, std::sqrt(2.0 / 500), true);
  xavier_normal_(kernel_, 2);
  expect_moments(kernel_, 2 * std::sqrt(2.0 / (480 + 960)), false);
}

TEST_F(InitTest, LayersBeginUniformByTheirInputs) {
  Linear linear(400, 300);
  expect_moments(linear.weight(), 1 / std::sqrt(3.0 * 400), true);
  Conv2d conv(32, 64, {.kernel = {3, 5}});
  expect_moments(conv.weight(), 1 / std::sqrt(3.0 * 480), true);
  for (const float b : conv.bias().to_vector()) EXPECT_LE(std::abs(b), 1 / std::sqrt(480.0F));
}

TEST_F(InitTest, TheSameSeedGivesExactlyTheSameValues) {
  const auto values = [](std::uint64_t seed) {
    core::manual_seed(seed);
    Linear first(10, 10), second(10, 10);
    EXPECT_NE(first.weight().to_vector(), second.weight().to_vector());
    return second.weight().to_vector();
  };
  EXPECT_EQ(values(5), values(5));
  EXPECT_NE(values(5), values(6));
}

TEST_F(InitTest, LeavesTheTapeAlone) {
  kaiming_normal_(dense_);
  EXPECT_TRUE(is_leaf(dense_));
}

TEST_F(InitTest, RefusesABiasAsWeight) {
  const auto error = tests::failure_of<ShapeError>([] { kaiming_uniform_(empty({7})); });
  EXPECT_EQ(error.problem(), "fans_of: a weight of shape [7]");
  EXPECT_EQ(
      error.fix(),
      "give [out, in] or [out, kernel ..., in]; fill a bias with uniform_by_inputs_ or zeros");
}

}  // namespace
}  // namespace lockstep::nn
