#include "lockstep/optim/rmsprop.h"

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
  RmsPropOptions options;
  std::vector<double> parameter;
  std::vector<double> square = std::vector<double>(parameter.size());
  std::vector<double> buffer = std::vector<double>(parameter.size());

  void step(const std::vector<double>& gradient) {
    for (std::size_t i = 0; i < parameter.size(); ++i) {
      const double g = gradient[i] + options.weight_decay * parameter[i];
      square[i] = options.alpha * square[i] + (1 - options.alpha) * g * g;
      buffer[i] = options.momentum * buffer[i] + g / (std::sqrt(square[i]) + options.epsilon);
      parameter[i] -= options.lr * buffer[i];
    }
  }
};

class RmsPropFormula : public ::testing::TestWithParam<std::tuple<RmsPropOptions, DType>> {};

TEST_P(RmsPropFormula, HoldsOver100Steps) {
  const auto& [options, dtype] = GetParam();
  // Parameters grow to 3, where each of the 100 steps rounds by up to 1.2e-7.
  lockstep::testing::expect_formula<Reference, RmsProp>(options, dtype, 2e-6);
}

INSTANTIATE_TEST_SUITE_P(
    OverOptions, RmsPropFormula,
    ::testing::Combine(::testing::Values(RmsPropOptions{},
                                         RmsPropOptions{.lr = 3e-3, .weight_decay = 0.1},
                                         RmsPropOptions{.alpha = 0.9, .momentum = 0.9},
                                         RmsPropOptions{.epsilon = 1e-3}),
                       ::testing::Values(DType::f32, DType::f64)));

TEST(RmsProp, KeepsNoMomentumWithoutOne) {
  std::mt19937 random(2);
  const State parameters = random_parameters({{4}}, random);
  EXPECT_EQ(RmsProp(parameters).state().size(), 3U);
  EXPECT_EQ(RmsProp(parameters, {.momentum = 0.5}).state().size(), 4U);
}

TEST(RmsProp, RefusesConstantsOutOfRange) {
  std::mt19937 random(3);
  const State parameters = random_parameters({{4}}, random);
  EXPECT_THROW(RmsProp(parameters, {.epsilon = 0}), UsageError);
  EXPECT_THROW(RmsProp(parameters, {.weight_decay = -1}), UsageError);
  try {
    const RmsProp refused(parameters, {.alpha = 1.5});
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_EQ(error.problem(), "rmsprop: alpha is 1.5");
    EXPECT_EQ(error.fix(), "give a number in [0, 1)");
  }
}

}  // namespace
}  // namespace lockstep::optim
