#include "lockstep/nn/sequential.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/parameter.h"
#include "lockstep/base/error.h"
#include "lockstep/core/random.h"
#include "lockstep/nn/conv.h"
#include "lockstep/nn/linear.h"
#include "lockstep/nn/norm.h"
#include "lockstep/ops/pointwise.h"
#include "lockstep/ops/reduce.h"
#include "lockstep/tensor/create.h"
#include "tests/support/failure.h"
#include "tests/support/leaves.h"

namespace lockstep::nn {
namespace {

using lockstep::testing::random_tensor;

// Runs the modules one by one, so that nothing can be fused.
Tensor run_apart(Sequential& model, const Tensor& x) {
  Tensor y = x;
  for (int i = 0; i < model.size(); ++i) y = model[i](y);
  return y;
}

void expect_near(const Tensor& a, const Tensor& b, const std::string& what) {
  const std::vector<double> va = a.to_vector<double>(), vb = b.to_vector<double>();
  ASSERT_EQ(a.shape(), b.shape()) << what;
  // The activation's value is the same function of the same sums; their order may differ.
  for (std::size_t i = 0; i < va.size(); ++i) ASSERT_NEAR(va[i], vb[i], 1e-12) << what << " " << i;
}

template <class Layer, class Activation>
void expect_fusion_changes_nothing(const std::function<Layer()>& layer, const Shape& input) {
  std::mt19937 random(5);
  core::manual_seed(6);
  Sequential fused(layer(), Activation());
  core::manual_seed(6);
  Sequential apart(layer(), Activation());
  const Tensor x = require_grad(random_tensor(input, random, DType::f64));
  const Tensor same = require_grad(tensor(x.to_vector<double>(), input, {.dtype = DType::f64}));
  const Tensor y = fused(x), expected = run_apart(apart, same);
  expect_near(y, expected, "value");
  const Tensor seed = random_tensor(y.shape(), random, DType::f64);
  backward(y, seed);
  backward(expected, seed);
  expect_near(gradient(x), gradient(same), "input's gradient");
  for (std::size_t i = 0; i < fused.parameters().size(); ++i) {
    expect_near(gradient(fused.parameters()[i].second), gradient(apart.parameters()[i].second),
                fused.parameters()[i].first);
  }
  for (std::size_t i = 0; i < fused.buffers().size(); ++i) {
    expect_near(fused.buffers()[i].second, apart.buffers()[i].second, fused.buffers()[i].first);
  }
}

template <class Activation> class Fusion : public ::testing::Test {};
using Activations = ::testing::Types<Relu, Gelu, Tanh, Sigmoid>;
TYPED_TEST_SUITE(Fusion, Activations);

TYPED_TEST(Fusion, OfLinearChangesNoValueAndNoGradient) {
  expect_fusion_changes_nothing<Linear, TypeParam>(
      [] { return Linear(7, 5, {.dtype = DType::f64}); }, {4, 7});
}

TYPED_TEST(Fusion, OfConvolutionChangesNoValueAndNoGradient) {
  expect_fusion_changes_nothing<Conv2d, TypeParam>(
      [] { return Conv2d(3, 4, {.kernel = 3, .padding = 1, .dtype = DType::f64}); }, {2, 5, 6, 3});
}

TYPED_TEST(Fusion, OfBatchNormChangesNoValueAndNoGradient) {
  expect_fusion_changes_nothing<BatchNorm, TypeParam>(
      [] { return BatchNorm(3, {.dtype = DType::f64}); }, {6, 2, 2, 3});
}

// Counts how often an activation runs on its own.
class Probe : public FusingLayer {
 public:
  explicit Probe(std::vector<Activation>& seen) : seen_(&seen) {}
  bool fuses(Activation activation) const override { return activation == Activation::relu; }
  Tensor forward_fused(const Tensor& x, Activation activation) override {
    seen_->push_back(activation);
    return x;
  }

 private:
  std::vector<Activation>* seen_;
};

TEST(Sequential, FusesOneActivationThatTheLayerTakes) {
  std::vector<Activation> seen;
  Sequential model{Probe(seen), Relu(), Relu(), Probe(seen), Gelu(), Probe(seen)};
  model(tensor({-1, 2}));
  EXPECT_THAT(seen, ::testing::ElementsAre(Activation::relu, Activation::none, Activation::none));
  EXPECT_EQ(model.size(), 6);
}

TEST(Sequential, RunsItsModulesInOrder) {
  Sequential model;
  EXPECT_EQ(model(tensor({-1, 2})).to_vector(), (std::vector<float>{-1, 2}));
  model.append(Relu());
  model.append(Tanh());
  EXPECT_FLOAT_EQ(model(tensor({-1, 2})).to_vector()[1], std::tanh(2.0F));
}

TEST(Sequential, GoesOnAfterAMove) {
  core::manual_seed(7);
  Sequential model(Linear(3, 4), Relu(), Linear(4, 2));
  const Tensor x = ones({2, 3});
  const std::vector<float> before = model(x).to_vector();
  Sequential moved = std::move(model);
  EXPECT_EQ(moved(x).to_vector(), before);
}

TEST(Sequential, RefusesAnIndexThatIsNotThere) {
  Sequential model{Relu(), Relu()};
  const auto error = tests::failure_of<UsageError>([&] { model[2]; });
  EXPECT_EQ(error.problem(), "Sequential: module 2 of 2");
  EXPECT_EQ(error.fix(), "give an index from 0 to 1");
}

TEST(Reshape, RefusesMoreAxesThanATensorHas) {
  const auto error = tests::failure_of<UsageError>([] { Reshape({1, 1, 1, 1, 1, 2}); });
  EXPECT_EQ(error.problem(), "Reshape: 6 axes behind the batch axis");
  EXPECT_EQ(error.fix(), "give at most 5");
}

}  // namespace
}  // namespace lockstep::nn
