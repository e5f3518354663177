#include "lockstep/autograd/captured.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/grad_mode.h"
#include "lockstep/autograd/parameter.h"
#include "lockstep/core/random.h"
#include "lockstep/nn/activation.h"
#include "lockstep/nn/conv.h"
#include "lockstep/nn/dropout.h"
#include "lockstep/nn/linear.h"
#include "lockstep/nn/norm.h"
#include "lockstep/nn/sequential.h"
#include "lockstep/ops/index.h"
#include "lockstep/ops/pointwise.h"
#include "lockstep/ops/random.h"
#include "lockstep/ops/reduce.h"
#include "lockstep/ops/rows.h"
#include "lockstep/ops/views.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"
#include "tests/support/failure.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using tests::message_of;

nn::Sequential mlp() {
  const core::RandomScope keys(7, 0, 0);
  return nn::Sequential(nn::Linear(12, 33), nn::Relu(), nn::Dropout(0.3), nn::Linear(33, 17),
                        nn::Tanh(), nn::Linear(17, 3));
}

nn::Sequential cnn() {
  const core::RandomScope keys(7, 0, 0);
  return nn::Sequential(nn::Conv2d(1, 5, {.padding = 1}), nn::BatchNorm(5), nn::Relu(),
                        nn::MaxPool2d(), nn::Dropout(0.2), nn::Flatten(), nn::Linear(45, 3));
}

Tensor samples(const Shape& shape, std::uint32_t step) {
  const core::RandomScope keys(99, step, 0);
  return normal(shape);
}

Tensor labels(std::int64_t count, int step) {
  Tensor y = empty({count}, {.dtype = DType::i64});
  for (std::int64_t i = 0; i < count; ++i) y.data<std::int64_t>()[i] = (i * 7 + step) % 3;
  return y;
}

TEST(CapturedExact, GivesTheBitsOfTheFunctionForEachInput) {
  auto model = mlp();
  model.train(false);
  const NoGrad no_grad;
  Captured fast([&](const Tensor& x) { return model(x); });
  for (std::uint32_t step = 0; step < 5; ++step) {
    const Tensor x = samples({4, 12}, step);
    EXPECT_EQ(fast(x).to_vector(), model(x).to_vector()) << step;
  }
  EXPECT_EQ(fast.recordings(), 1);
}

// Trains for some steps and returns what is left: losses, parameters and buffers.
template <class Model, class Pass>
std::vector<float> trained(Model model, const Shape& shape, Pass pass_of) {
  std::vector<float> left;
  const auto passes = [&](const Tensor& x, const Tensor& y) {
    const Tensor loss = cross_entropy(model(x), y);
    backward(loss);
    return loss.detach();
  };
  auto pass = pass_of(passes);
  for (std::uint32_t step = 0; step < 8; ++step) {
    const core::RandomScope keys(3, step, 0);
    Shape sizes = shape;
    if (step % 4 == 3) sizes[0] -= 2;
    left.push_back(pass(samples(sizes, step), labels(sizes[0], static_cast<int>(step)))
                       .template item<float>());
    const NoGrad no_grad;
    for (const auto& [name, parameter] : model.parameters()) {
      sub_(parameter, mul(gradient(parameter), 0.1));
      consume_gradient(parameter);
    }
  }
  for (const auto& [name, x] : model.state()) {
    for (const float value : x.to_vector()) left.push_back(value);
  }
  return left;
}

constexpr auto eager = [](auto passes) { return passes; };
constexpr auto captured = [](auto passes) { return Captured(passes); };

TEST(CapturedExact, TrainsAnMlpWithDropoutAndUnevenBatchesToTheSameBits) {
  EXPECT_EQ(trained(mlp(), {6, 12}, captured), trained(mlp(), {6, 12}, eager));
}

TEST(CapturedExact, TrainsACnnWithBatchNormalisationToTheSameBits) {
  EXPECT_EQ(trained(cnn(), {6, 6, 6, 1}, captured), trained(cnn(), {6, 6, 6, 1}, eager));
}

TEST(CapturedExact, AddsToGradientsThatWereNotConsumed) {
  const Tensor weight = require_grad(full({3}, 2));
  Captured pass([&](const Tensor& x) {
    Tensor loss = sum(mul(weight, x));
    backward(loss);
    return loss;
  });
  for (int i = 0; i < 4; ++i) (void)pass(full({3}, 1 + i));
  EXPECT_THAT(gradient(weight).to_vector(), testing::Each(10));
  EXPECT_EQ(pass.recordings(), 2);
}

TEST(Captured, GivesResultsThatLaterCallsLeaveAlone) {
  Captured doubled([](const Tensor& x) { return mul(x, 2); });
  const Tensor first = doubled(full({2}, 1));
  const Tensor second = doubled(full({2}, 5));
  const Tensor third = doubled(full({2}, 7));
  EXPECT_THAT(first.to_vector(), testing::Each(2));
  EXPECT_THAT(second.to_vector(), testing::Each(10));
  EXPECT_THAT(third.to_vector(), testing::Each(14));
}

TEST(Captured, CopiesAResultThatIsItsInput) {
  Captured same([](const Tensor& x) { return x; });
  const Tensor x = full({2}, 1);
  EXPECT_FALSE(same(x).storage() == x.storage());
  EXPECT_THAT(same(full({2}, 3)).to_vector(), testing::Each(3));
}

TEST(Captured, RecordsAnewForAnotherShapeAndForgetsTheOldestBeyondTheMost) {
  Captured squared([](const Tensor& x) { return mul(x, x); }, 2);
  for (const std::int64_t size : {1, 2, 3}) {
    EXPECT_THAT(squared(full({size}, 3)).to_vector(), testing::Each(9));
  }
  EXPECT_EQ(squared.recordings(), 2);
}

TEST(Captured, TellsOneInputGivenTwiceFromTwo) {
  Captured product([](const Tensor& a, const Tensor& b) { return mul(a, b); });
  const Tensor x = full({2}, 3);
  EXPECT_THAT(product(x, x).to_vector(), testing::Each(9));
  EXPECT_THAT(product(x, full({2}, 4)).to_vector(), testing::Each(12));
}

TEST(Captured, FollowsMemoryThatMoves) {
  const Tensor weight = full({2}, 3);
  Captured scaled([&](const Tensor& x) { return mul(x, weight); });
  (void)scaled(full({2}, 1));
  const Tensor elsewhere = full({2}, 5);
  weight.storage()->relocate(elsewhere.storage()->memory(), 0);
  EXPECT_THAT(scaled(full({2}, 2)).to_vector(), testing::Each(10));
}

TEST(Captured, KeepsNumbersThatTheFunctionWritesDown) {
  Captured shifted([](const Tensor& x) { return add(x, tensor({1, 2})); });
  (void)shifted(full({2}, 0));
  EXPECT_THAT(shifted(full({2}, 10)).to_vector(), testing::ElementsAre(11, 12));
}

TEST(Captured, ChecksIndicesInEveryReplay) {
  const Tensor table = full({3, 2}, 1);
  Captured rows([&](const Tensor& index) { return gather(table, index); });
  (void)rows(labels(4, 0));
  Tensor bad = labels(4, 0);
  bad.set({2}, 9);
  EXPECT_THAT(message_of<UsageError>([&] { (void)rows(bad); }),
              HasSubstr("gather: index 2 is 9, outside 0 to 2"));
}

TEST(Captured, RefusesAFunctionThatReadsAnElement) {
  Captured relative([](const Tensor& x) { return div(x, x.at({0})); });
  const std::string message = message_of<UsageError>([&] { (void)relative(full({2}, 1)); });
  EXPECT_THAT(message, HasSubstr("capture: at cannot be replayed"));
  EXPECT_THAT(message, HasSubstr("move it out of the function"));
  EXPECT_EQ(relative.recordings(), 0);
  EXPECT_THAT(add(full({2}, 1), 1).to_vector(), testing::Each(2));  // eager goes on
}

TEST(Captured, RefusesRandomKeysOfTheFunctionsOwn) {
  Captured noisy([](const Tensor& x) {
    const core::RandomScope keys(7, 0, 0);
    return dropout(x, 0.5);
  });
  const std::string message = message_of<UsageError>([&] { (void)noisy(full({2}, 1)); });
  EXPECT_THAT(message, HasSubstr("capture: a random call cannot be replayed"));
  EXPECT_THAT(message, HasSubstr("its key is of a RandomScope of its own"));
}

TEST(Captured, RefusesOneInsideAnother) {
  Captured inner([](const Tensor& x) { return mul(x, 2); });
  Captured outer([&](const Tensor& x) { return inner(x); });
  EXPECT_THAT(message_of<UsageError>([&] { (void)outer(full({2}, 1)); }),
              HasSubstr("capture: a captured function cannot be replayed"));
}

TEST(Captured, RefusesAnotherNumberOfTensors) {
  Captured doubled([](const Tensor& x) { return mul(x, 2); });
  EXPECT_THAT(message_of<UsageError>([&] { (void)doubled(full({2}, 1), full({2}, 1)); }),
              HasSubstr("Captured: 2 tensors for a function of 1"));
}

}  // namespace
}  // namespace lockstep
