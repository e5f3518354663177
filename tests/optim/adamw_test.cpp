#include "lockstep/optim/adamw.h"

#include <gtest/gtest.h>

#include <cmath>

#include "lockstep/base/error.h"
#include "tests/support/failure.h"
#include "tests/support/formula.h"
#include "tests/support/leaves.h"

namespace lockstep::optim {
namespace {

using lockstep::testing::give_gradient;
using lockstep::testing::random_parameters;
using lockstep::testing::random_values;

// The published update in double precision.
struct Reference {
  AdamWOptions options;
  std::vector<double> parameter;
  std::vector<double> first = std::vector<double>(parameter.size());
  std::vector<double> second = std::vector<double>(parameter.size());
  int steps = 0;

  void step(const std::vector<double>& gradient) {
    ++steps;
    for (std::size_t i = 0; i < parameter.size(); ++i) {
      const double g = gradient[i];
      parameter[i] -= options.lr * options.weight_decay * parameter[i];
      first[i] = options.beta1 * first[i] + (1 - options.beta1) * g;
      second[i] = options.beta2 * second[i] + (1 - options.beta2) * g * g;
      const double corrected_first = first[i] / (1 - std::pow(options.beta1, steps));
      const double corrected_second = second[i] / (1 - std::pow(options.beta2, steps));
      parameter[i] -=
          options.lr * corrected_first / (std::sqrt(corrected_second) + options.epsilon);
    }
  }
};

class AdamWFormula : public ::testing::TestWithParam<std::tuple<AdamWOptions, DType>> {};

TEST_P(AdamWFormula, HoldsOver100Steps) {
  const auto& [options, dtype] = GetParam();
  lockstep::testing::expect_formula<Reference, AdamW>(options, dtype);
}

INSTANTIATE_TEST_SUITE_P(
    OverOptions, AdamWFormula,
    ::testing::Combine(::testing::Values(AdamWOptions{},
                                         AdamWOptions{.lr = 3e-3, .weight_decay = 0.1},
                                         AdamWOptions{.beta1 = 0, .weight_decay = 0},
                                         AdamWOptions{.beta2 = 0.95, .epsilon = 1e-3}),
                       ::testing::Values(DType::f32, DType::f64)));

TEST(AdamW, CountsTheStepsOfEachParameterForItsBiasCorrection) {
  std::mt19937 random(2);
  const State together = random_parameters({{4}, {5}}, random, DType::f64);
  Reference reference{{}, together[1].second.to_vector<double>()};
  AdamW optimizer(together);
  for (int step = 0; step < 20; ++step) {
    give_gradient(together[0].second, random_values(4, random));
    if (step % 3 == 1) {
      const std::vector<double> values = random_values(5, random);
      give_gradient(together[1].second, values);
      reference.step(values);
    }
    optimizer.step();
  }
  const std::vector<double> got = together[1].second.to_vector<double>();
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], reference.parameter[i], 1e-14);
  EXPECT_EQ(optimizer.steps(), 20);
}

TEST(AdamW, RefusesConstantsOutOfRange) {
  std::mt19937 random(3);
  const State parameters = random_parameters({{4}}, random);
  const auto refusal = [&](const AdamWOptions& options) {
    return tests::failure_of<UsageError>([&] { AdamW(parameters, options); });
  };
  EXPECT_EQ(refusal({.beta1 = 1}).problem(), "adamw: beta1 is 1");
  EXPECT_EQ(refusal({.beta2 = 1.5}).problem(), "adamw: beta2 is 1.5");
  EXPECT_EQ(refusal({.beta2 = 1.5}).fix(), "give a number in [0, 1)");
  EXPECT_EQ(refusal({.epsilon = 0}).problem(), "adamw: epsilon is 0");
}

}  // namespace
}  // namespace lockstep::optim
