// Holds an optimizer against the formula that it was published as.
#pragma once

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/support/leaves.h"

namespace lockstep::testing {

// 100 steps with random gradients. Formula{options, parameter} has step(gradient) and `parameter`,
// in double precision; `tolerance` is of f32.
template <class Formula, class Optimizer>
void expect_formula(const typename Optimizer::Options& options, DType dtype,
                    double tolerance = 1e-6) {
  std::mt19937 random(1);
  const Tensor parameter = random_leaf({37, 3}, random, dtype);
  Formula formula{options, parameter.to_vector<double>()};
  Optimizer optimizer({{"p", parameter}}, options);
  for (int step = 0; step < 100; ++step) {
    std::vector<double> gradient = random_values(parameter.elements(), random);
    // The values that the parameter's dtype holds.
    gradient = tensor(gradient, parameter.shape(), {.dtype = dtype}).to_vector<double>();
    give_gradient(parameter, gradient);
    optimizer.step();
    formula.step(gradient);
  }
  const std::vector<double> got = parameter.to_vector<double>();
  if (dtype == DType::f64) tolerance = 1e-13;
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], formula.parameter[i], tolerance);
}

}  // namespace lockstep::testing
