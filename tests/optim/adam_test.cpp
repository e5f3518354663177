#include "lockstep/optim/adam.h"

#include <gtest/gtest.h>

#include <cmath>

#include "lockstep/base/error.h"
#include "tests/support/formula.h"
#include "tests/support/leaves.h"

namespace lockstep::optim {
namespace {

using lockstep::testing::random_parameters;

// The published update in double precision.
struct Reference {
  AdamOptions options;
  std::vector<double> parameter;
  std::vector<double> first = std::vector<double>(parameter.size());
  std::vector<double> second = std::vector<double>(parameter.size());
  int steps = 0;

  void step(const std::vector<double>& gradient) {
    ++steps;
    for (std::size_t i = 0; i < parameter.size(); ++i) {
      const double g = gradient[i] + options.weight_decay * parameter[i];
      first[i] = options.beta1 * first[i] + (1 - options.beta1) * g;
      second[i] = options.beta2 * second[i] + (1 - options.beta2) * g * g;
      const double corrected_first = first[i] / (1 - std::pow(options.beta1, steps));
      const double corrected_second = second[i] / (1 - std::pow(options.beta2, steps));
      parameter[i] -=
          options.lr * corrected_first / (std::sqrt(corrected_second) + options.epsilon);
    }
  }
};

class AdamFormula : public ::testing::TestWithParam<std::tuple<AdamOptions, DType>> {};

TEST_P(AdamFormula, HoldsOver100Steps) {
  const auto& [options, dtype] = GetParam();
  lockstep::testing::expect_formula<Reference, Adam>(options, dtype);
}

INSTANTIATE_TEST_SUITE_P(
    OverOptions, AdamFormula,
    ::testing::Combine(::testing::Values(AdamOptions{},
                                         AdamOptions{.lr = 3e-3, .weight_decay = 0.1},
                                         AdamOptions{.beta1 = 0},
                                         AdamOptions{.beta2 = 0.95, .epsilon = 1e-3}),
                       ::testing::Values(DType::f32, DType::f64)));

TEST(Adam, RefusesConstantsOutOfRange) {
  std::mt19937 random(3);
  const State parameters = random_parameters({{4}}, random);
  EXPECT_THROW(Adam(parameters, {.epsilon = 0}), UsageError);
  EXPECT_THROW(Adam(parameters, {.weight_decay = -1}), UsageError);
  try {
    const Adam refused(parameters, {.beta2 = 1.5});
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_EQ(error.problem(), "adam: beta2 is 1.5");
    EXPECT_EQ(error.fix(), "give a number in [0, 1)");
  }
}

}  // namespace
}  // namespace lockstep::optim
