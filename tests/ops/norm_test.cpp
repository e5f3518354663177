#include "lockstep/ops/norm.h"

#include <gtest/gtest.h>

#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/parameter.h"
#include "lockstep/base/error.h"
#include "lockstep/ops/reduce.h"
#include "lockstep/tensor/create.h"

namespace lockstep {
namespace {

const TensorOptions f64 = {.dtype = DType::f64};

TEST(BatchNorm, MovesTheRunningMomentsTowardsTheBatchs) {
  const Tensor x = tensor({1, 10, 2, 20, 3, 30, 6, 60}, {4, 2}, f64);
  const Tensor mean = zeros({2}, f64), variance = ones({2}, f64);
  batch_norm(x, ones({2}, f64), zeros({2}, f64), mean, variance, {.momentum = 0.5});
  EXPECT_EQ(mean.to_vector<double>(), (std::vector<double>{1.5, 15}));
  // The unbiased variance of 1 2 3 6 is 14 / 3.
  EXPECT_NEAR(variance.at({0}), 0.5 + 0.5 * 14 / 3, 1e-12);
  EXPECT_NEAR(variance.at({1}), 0.5 + 0.5 * 1400 / 3, 1e-12);
}

TEST(BatchNorm, LeavesTheRunningMomentsAloneInEvaluation) {
  const Tensor mean = zeros({1}, f64), variance = ones({1}, f64);
  const Tensor x = tensor({3, 5}, {2, 1}, f64);
  const Tensor y = batch_norm(x, ones({1}, f64), zeros({1}, f64), mean, variance,
                              {.training = false, .epsilon = 0});
  EXPECT_EQ(y.to_vector<double>(), (std::vector<double>{3, 5}));
  EXPECT_EQ(mean.item(), 0);
  EXPECT_EQ(variance.item(), 1);
}

TEST(BatchNorm, LeavesTheRunningMomentsAloneWithoutSamples) {
  const Tensor mean = zeros({2}, f64), variance = ones({2}, f64);
  const Tensor y = batch_norm(zeros({0, 2}, f64), ones({2}, f64), zeros({2}, f64), mean, variance);
  EXPECT_EQ(y.elements(), 0);
  EXPECT_EQ(mean.to_vector<double>(), (std::vector<double>{0, 0}));
  EXPECT_EQ(variance.to_vector<double>(), (std::vector<double>{1, 1}));
}

TEST(BatchNorm, StaysFiniteOnOneSample) {
  const Tensor mean = zeros({1}, f64), variance = ones({1}, f64);
  const Tensor y =
      batch_norm(full({1, 1}, 7, f64), ones({1}, f64), full({1}, 2, f64), mean, variance);
  EXPECT_EQ(y.item(), 2);
  EXPECT_NEAR(mean.item(), 0.7, 1e-12);
  EXPECT_GE(variance.item(), 0);
  EXPECT_LE(variance.item(), 1);
}

TEST(BatchNorm, KeepsTheGradientOfAnEarlierBatchWhenTheRunningMomentsMove) {
  const Tensor weight = require_grad(ones({2}, f64));
  const Tensor mean = zeros({2}, f64), variance = ones({2}, f64);
  const Tensor x = tensor({1, 10, 2, 20}, {2, 2}, f64);
  const Tensor first = batch_norm(x, weight, zeros({2}, f64), mean, variance);
  batch_norm(x, weight, zeros({2}, f64), mean, variance);
  EXPECT_NO_THROW(backward(sum(first)));
}

}  // namespace
}  // namespace lockstep
