#include "lockstep/ops/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/parameter.h"
#include "lockstep/base/error.h"
#include "lockstep/core/random.h"
#include "lockstep/ops/pointwise.h"
#include "lockstep/ops/reduce.h"
#include "lockstep/ops/views.h"
#include "tests/support/failure.h"

namespace lockstep {
namespace {

struct Moments {
  double mean = 0, deviation = 0;
};
Moments moments(const Tensor& x) {
  const auto values = x.to_vector<double>();
  Moments m;
  for (const double v : values) m.mean += v / static_cast<double>(values.size());
  for (const double v : values)
    m.deviation += std::pow(v - m.mean, 2) / static_cast<double>(values.size());
  m.deviation = std::sqrt(m.deviation);
  return m;
}

TEST(Random, UniformHasTheMomentsOfItsRange) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    core::manual_seed(1);
    const Tensor x = uniform({100, 1000}, {.low = -1, .high = 3, .dtype = dtype});
    const Moments m = moments(x);
    EXPECT_NEAR(m.mean, 1, 0.02);
    EXPECT_NEAR(m.deviation, 4 / std::sqrt(12), 0.02);
    const auto values = x.to_vector<double>();
    EXPECT_GE(*std::min_element(values.begin(), values.end()), -1);
    EXPECT_LT(*std::max_element(values.begin(), values.end()), 3);
  }
}

TEST(Random, NormalHasTheMomentsAskedFor) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    core::manual_seed(2);
    const Moments m = moments(normal({100, 1000}, {.mean = 2, .deviation = 0.5, .dtype = dtype}));
    EXPECT_NEAR(m.mean, 2, 0.01);
    EXPECT_NEAR(m.deviation, 0.5, 0.01);
  }
}

TEST(Random, TheSameKeyGivesTheSameNumbersInAnyForm) {
  core::manual_seed(3);
  const Tensor first = normal({3, 5});
  const Tensor second = normal({3, 5});
  EXPECT_NE(first.to_vector(), second.to_vector());
  core::manual_seed(3);
  const Tensor again = transpose(zeros({5, 3}));
  normal_(again, 0, 1);
  EXPECT_EQ(again.to_vector(), first.to_vector());
}

TEST(Random, ARefillIsAMutation) {
  const Tensor w = require_grad(ones({3}));
  const Tensor x = ones({3});
  const Tensor y = sum(mul(w, x));
  uniform_(x, 0, 1);
  EXPECT_THAT(
      tests::message_of<UsageError>([&] { backward(y); }),
      testing::HasSubstr("backward of mul: a tensor of shape [3] that it saved was changed"));
  EXPECT_THAT(tests::message_of<UsageError>([&] { uniform_(w, 0, 1); }),
              testing::HasSubstr("uniform_: in place on a tensor that needs a gradient"));
}

TEST(Random, DropoutKeepsTheMeanAndDropsTheShareAskedFor) {
  core::manual_seed(4);
  const Tensor y = dropout(ones({100, 1000}), 0.3);
  std::int64_t dropped = 0;
  for (const double value : y.to_vector<double>()) {
    if (value == 0)
      ++dropped;
    else
      EXPECT_FLOAT_EQ(static_cast<float>(value), 1 / 0.7F);
  }
  EXPECT_NEAR(static_cast<double>(dropped) / 1e5, 0.3, 0.01);
}

TEST(Random, DropoutsGradientHasTheSameMask) {
  core::manual_seed(4);
  const Tensor x = require_grad(ones({17, 3}));
  const Tensor y = dropout(x, 0.5);
  backward(y, ones({17, 3}));
  EXPECT_EQ(gradient(x).to_vector(), y.to_vector());
}

TEST(Random, DropoutIsTheInputOutsideTrainingAndTakesNoKey) {
  core::manual_seed(4);
  const Tensor x = ones({3});
  EXPECT_TRUE(dropout(x, 0.5, false).is_same(x));
  EXPECT_TRUE(dropout(x, 0).is_same(x));
  EXPECT_EQ(core::current_key().ordinal, 0U);
}

TEST(Random, DropoutRefusesAProbabilityOfOne) {
  const auto error = tests::failure_of<UsageError>([] { dropout(ones({3}), 1); });
  EXPECT_EQ(error.problem(), "dropout: probability 1");
  EXPECT_EQ(error.fix(), "use a probability of at least 0 and below 1");
}

}  // namespace
}  // namespace lockstep
