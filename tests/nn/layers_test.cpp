#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/parameter.h"
#include "lockstep/base/error.h"
#include "lockstep/nn/conv.h"
#include "lockstep/nn/dropout.h"
#include "lockstep/nn/embedding.h"
#include "lockstep/nn/graph.h"
#include "lockstep/nn/linear.h"
#include "lockstep/nn/norm.h"
#include "lockstep/nn/sequential.h"
#include "lockstep/ops/norm.h"
#include "lockstep/ops/pointwise.h"
#include "lockstep/ops/reduce.h"
#include "lockstep/tensor/create.h"
#include "tests/support/failure.h"
#include "tests/support/leaves.h"

namespace lockstep::nn {
namespace {

using tests::message_of;

using lockstep::testing::random_tensor;
using ::testing::Each;
using ::testing::HasSubstr;

TEST(Linear, IsItsWeightTimesTheInputPlusTheBias) {
  std::mt19937 random(1);
  Linear layer(3, 2, {.dtype = DType::f64});
  const Tensor x = random_tensor({4, 3}, random, DType::f64);
  const Tensor y = layer(x);
  ASSERT_EQ(y.shape(), (Shape{4, 2}));
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 2; ++j) {
      double sum = layer.bias().at({j});
      for (int k = 0; k < 3; ++k) sum += x.at({i, k}) * layer.weight().at({j, k});
      EXPECT_NEAR(y.at({i, j}), sum, 1e-14);
    }
  }
}

TEST(Linear, MayHaveNoBias) {
  Linear layer(3, 2, {.bias = false});
  EXPECT_FALSE(layer.bias().is_defined());
  EXPECT_EQ(layer.parameters().size(), 1U);
  EXPECT_THAT(layer(zeros({1, 3})).to_vector(), Each(0.0F));
}

TEST(Conv2d, KeepsImagesAndWeightsWithChannelsLast) {
  Conv2d layer(3, 8, {.kernel = {3, 5}, .stride = 2, .padding = {1, 2}});
  EXPECT_EQ(layer.weight().shape(), (Shape{8, 3, 5, 3}));
  EXPECT_EQ(layer(zeros({2, 9, 12, 3})).shape(), (Shape{2, 5, 6, 8}));
}

TEST(Pools, TakeTheLargestOrTheMean) {
  const Tensor x = tensor({1, 2, 3, 4, 5, 6, 7, 8}, {1, 2, 4, 1});
  EXPECT_EQ(MaxPool2d()(x).to_vector(), (std::vector<float>{6, 8}));
  EXPECT_EQ(AvgPool2d()(x).to_vector(), (std::vector<float>{3.5, 5.5}));
}

TEST(LayerNorm, NormalisesEachRowByItself) {
  LayerNorm layer(3, {.epsilon = 0});
  const Tensor x = tensor({1, 2, 3, 10, 10, 40}, {2, 3});
  const double root = std::sqrt(1.5), half = std::sqrt(0.5);
  const std::vector<double> expected = {-root, 0, root, -half, -half, 2 * half};
  const std::vector<double> y = layer(x).to_vector<double>();
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], expected[i], 1e-5) << i;
}

TEST(Standardize, BringsChannelsToWhatIsKnownOfThem) {
  Standardize layer(2, {.epsilon = 0.5});
  layer.load_state({{"mean", tensor({1, 2})}, {"variance", tensor({4, 0})}});
  EXPECT_EQ(layer(tensor({5, 3}, {1, 2})).to_vector(), (std::vector<float>{2, 2}));
  EXPECT_TRUE(layer.parameters().empty());
}

TEST(Embedding, PicksRowsByNumber) {
  Embedding layer(3, 2);
  layer.load_state({{"weight", tensor({1, 2, 3, 4, 5, 6}, {3, 2})}});
  const Tensor y = layer(tensor({2, 0, 2, 1}, {2, 2}, {.dtype = DType::i64}));
  EXPECT_EQ(y.shape(), (Shape{2, 2, 2}));
  EXPECT_EQ(y.to_vector(), (std::vector<float>{5, 6, 1, 2, 5, 6, 3, 4}));
  backward(sum(y));
  EXPECT_EQ(gradient(layer.weight()).to_vector(), (std::vector<float>{1, 1, 1, 1, 2, 2}));
}

TEST(Embedding, IsRebuiltFromItsDescriptionAsOthersAre) {
  Sequential model(Embedding(4, 3), Standardize(3), Flatten());
  Graph graph(spec_of(model, {2}));
  graph.load_state(model.state());
  const Tensor index = tensor({3, 1}, {1, 2}, {.dtype = DType::i64});
  EXPECT_EQ(graph(index).to_vector(), model(index).to_vector());
}

TEST(BatchNorm, NormalisesByTheBatchInTrainingAndByWhatItLearnedAfterwards) {
  std::mt19937 random(2);
  BatchNorm layer(3, {.momentum = 1});
  const Tensor x = random_tensor({2, 4, 5, 3}, random) * 3.0 + 7.0;
  const std::vector<float> y = layer(x).to_vector();
  double mean = 0, square = 0;
  for (std::size_t i = 1; i < y.size(); i += 3) {
    mean += y[i] / 40;
    square += y[i] * y[i] / 40;
  }
  EXPECT_NEAR(mean, 0, 1e-5);
  EXPECT_NEAR(square, 1, 1e-3);

  layer.eval();
  const auto learned = layer.buffers()[0].second.to_vector();
  EXPECT_NEAR(learned[1], 7, 1.5);
  EXPECT_NEAR(layer(x).to_vector()[1], y[1], 0.05);  // unbiased against biased variance of 40
  EXPECT_EQ(layer.buffers()[0].second.to_vector(), learned);
}

TEST(BatchNorm, BuffersHaveNoGradient) {
  BatchNorm layer(3);
  for (const auto& [name, buffer] : layer.buffers()) EXPECT_FALSE(buffer.requires_grad()) << name;
}

TEST(Dropout, IsTheIdentityInEvaluation) {
  Dropout layer(0.9);
  layer.eval();
  const Tensor x = ones({50});
  EXPECT_TRUE(layer(x).is_same(x));
}

TEST(Dropout, ScalesWhatItKeeps) {
  core::manual_seed(3);
  Dropout layer(0.75);
  int kept = 0;
  for (const float y : layer(ones({10000})).to_vector()) {
    EXPECT_TRUE(y == 0 || y == 4);
    kept += y != 0;
  }
  EXPECT_NEAR(kept, 2500, 5 * 43);  // five standard deviations
}

TEST(Activations, AreTheirOps) {
  std::mt19937 random(4);
  const Tensor x = random_tensor({30}, random);
  EXPECT_EQ(Relu()(x).to_vector(), relu(x).to_vector());
  EXPECT_EQ(Gelu()(x).to_vector(), gelu(x).to_vector());
  EXPECT_EQ(Tanh()(x).to_vector(), tanh(x).to_vector());
  EXPECT_EQ(Sigmoid()(x).to_vector(), sigmoid(x).to_vector());
}

TEST(Flatten, MergesAllButTheFirstAxis) {
  EXPECT_EQ(Flatten()(zeros({2, 3, 4, 5})).shape(), (Shape{2, 60}));
  EXPECT_EQ(Flatten(2)(zeros({2, 3, 4, 5})).shape(), (Shape{2, 3, 20}));
}

TEST(Layers, RefuseSizesThatAreNotPositive) {
  EXPECT_THAT(message_of([] { Linear(0, 3); }), HasSubstr("Linear: in is 0"));
  EXPECT_THAT(message_of([] { Linear(3, -1); }), HasSubstr("give out a size of at least 1"));
  EXPECT_THAT(message_of([] { Conv2d(3, 0); }), HasSubstr("Conv2d: out is 0"));
  EXPECT_THAT(message_of([] {
                Conv2d(3, 3, {.kernel = {3, 0}});
              }),
              HasSubstr("the kernel's width is 0"));
  EXPECT_THAT(message_of([] { BatchNorm(0); }), HasSubstr("BatchNorm: channels is 0"));
}

TEST(Layers, RefuseADropoutOfEverything) {
  const std::string message = message_of([] { Dropout(1.0); });
  EXPECT_THAT(message, HasSubstr("Dropout: the probability is 1"));
  EXPECT_THAT(message, HasSubstr("give one in [0, 1)"));
}

TEST(Layers, NameBothShapesOfAMisfit) {
  Linear layer(784, 10);
  const std::string message = message_of([&] { layer(zeros({4, 783})); });
  EXPECT_THAT(message, HasSubstr("783"));
  EXPECT_THAT(message, HasSubstr("784"));
}

}  // namespace
}  // namespace lockstep::nn
