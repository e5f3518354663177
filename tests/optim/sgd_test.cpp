#include "lockstep/optim/sgd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockstep/base/error.h"
#include "tests/support/failure.h"
#include "tests/support/formula.h"
#include "tests/support/leaves.h"

namespace lockstep::optim {
namespace {

using lockstep::testing::give_gradient;

// The published update in double precision.
struct Reference {
  SgdOptions options;
  std::vector<double> parameter;
  std::vector<double> momentum = {};

  void step(const std::vector<double>& gradient) {
    const bool is_first = momentum.empty();
    momentum.resize(parameter.size());
    for (std::size_t i = 0; i < parameter.size(); ++i) {
      const double g = gradient[i] + options.weight_decay * parameter[i];
      momentum[i] = is_first ? g : options.momentum * momentum[i] + (1 - options.dampening) * g;
      double direction = options.momentum == 0 ? g : momentum[i];
      if (options.nesterov) direction = g + options.momentum * momentum[i];
      parameter[i] -= options.lr * direction;
    }
  }
};

class SgdFormula : public ::testing::TestWithParam<std::tuple<SgdOptions, DType>> {};

TEST_P(SgdFormula, HoldsOver100Steps) {
  const auto& [options, dtype] = GetParam();
  lockstep::testing::expect_formula<Reference, Sgd>(options, dtype);
}

INSTANTIATE_TEST_SUITE_P(
    OverOptions, SgdFormula,
    ::testing::Combine(
        ::testing::Values(
            SgdOptions{.lr = 0.01}, SgdOptions{.lr = 0.01, .weight_decay = 0.1},
            SgdOptions{.lr = 0.003, .momentum = 0.9},
            SgdOptions{.lr = 0.003, .momentum = 0.9, .dampening = 0.3},
            SgdOptions{.lr = 0.003, .momentum = 0.9, .weight_decay = 0.05, .nesterov = true}),
        ::testing::Values(DType::f32, DType::f64)));

TEST(Sgd, MomentumBeginsAsTheFirstGradientOfEachParameter) {
  std::mt19937 random(2);
  State parameters = lockstep::testing::random_parameters({{4}, {5}}, random);
  Sgd optimizer(parameters, {.lr = 0.1, .momentum = 0.9, .dampening = 0.5});
  const std::vector<double> ones(5, 1.0);
  give_gradient(parameters[0].second, std::span(ones).first(4));
  optimizer.step();
  const std::vector<float> before = parameters[1].second.to_vector();
  give_gradient(parameters[1].second, ones);
  optimizer.step();
  const std::vector<float> after = parameters[1].second.to_vector();
  for (std::size_t i = 0; i < 5; ++i) EXPECT_FLOAT_EQ(after[i], before[i] - 0.1F);
}

TEST(Sgd, RefusesConstantsOutOfRange) {
  std::mt19937 random(3);
  const State parameters = lockstep::testing::random_parameters({{4}}, random);
  const auto refusal = [&](const SgdOptions& options) {
    return tests::failure_of<UsageError>([&] { Sgd(parameters, options); });
  };
  EXPECT_EQ(refusal({.lr = -1}).problem(), "optimizer: learning rate is -1");
  EXPECT_EQ(refusal({.momentum = -0.1}).problem(), "sgd: momentum is -0.1");
  EXPECT_EQ(refusal({.weight_decay = -0.5}).problem(), "sgd: weight_decay is -0.5");
  EXPECT_EQ(refusal({.weight_decay = -0.5}).fix(), "give a finite number of at least 0");
}

TEST(Sgd, RefusesNesterovsFormWithoutMomentumOrWithDampening) {
  std::mt19937 random(3);
  const State parameters = lockstep::testing::random_parameters({{4}}, random);
  for (const SgdOptions& options :
       {SgdOptions{.nesterov = true},
        SgdOptions{.momentum = 0.9, .dampening = 0.1, .nesterov = true}}) {
    const auto error = tests::failure_of<UsageError>([&] { Sgd(parameters, options); });
    EXPECT_EQ(error.problem(), "sgd: Nesterov's form without momentum, or with dampening");
    EXPECT_EQ(error.fix(), "give a momentum above 0 and leave dampening at 0");
  }
}

}  // namespace
}  // namespace lockstep::optim
