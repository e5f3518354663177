#include "lockstep/nn/module.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/grad_mode.h"
#include "lockstep/autograd/parameter.h"
#include "lockstep/base/error.h"
#include "lockstep/core/random.h"
#include "lockstep/nn/conv.h"
#include "lockstep/nn/dropout.h"
#include "lockstep/nn/linear.h"
#include "lockstep/nn/norm.h"
#include "lockstep/nn/sequential.h"
#include "lockstep/ops/pointwise.h"
#include "lockstep/ops/reduce.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"
#include "tests/support/failure.h"
#include "tests/support/leaves.h"

namespace lockstep::nn {
namespace {

using tests::message_of;

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Sequential small_cnn() {
  return Sequential(Conv2d(1, 2, {.kernel = 3, .bias = false}), BatchNorm(2), Relu(), Flatten(),
                    Dropout(0.5), Linear(8, 3));
}

// A model of one's own: members are children.
class Pair : public Module {
 public:
  Tensor forward(const Tensor& x) override { return add(first_(x), second_(x)); }
  void visit(Visitor& visitor) override {
    visitor.child("first", first_);
    visitor.child("second", second_);
  }

 private:
  Sequential first_{Linear(2, 3), Relu()};
  Linear second_{2, 3};
};

// Two layers with one weight.
class Tied : public Module {
 public:
  Tensor forward(const Tensor& x) override { return x; }
  void visit(Visitor& visitor) override {
    visitor.parameter("encoder", weight_);
    visitor.parameter("decoder", weight_);
  }

 private:
  Tensor weight_ = require_grad(zeros({2}));
};

std::vector<std::string> names_of(const State& state) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state) names.push_back(name);
  return names;
}

TEST(Module, NamesParametersAndBuffersByDottedPath) {
  Sequential model = small_cnn();
  EXPECT_THAT(names_of(model.parameters()),
              ElementsAre("0.weight", "1.weight", "1.bias", "5.weight", "5.bias"));
  EXPECT_THAT(names_of(model.buffers()), ElementsAre("1.running_mean", "1.running_variance"));
  EXPECT_THAT(names_of(model.state()),
              ElementsAre("0.weight", "1.weight", "1.bias", "1.running_mean", "1.running_variance",
                          "5.weight", "5.bias"));
  Pair pair;
  EXPECT_THAT(names_of(pair.parameters()),
              ElementsAre("first.0.weight", "first.0.bias", "second.weight", "second.bias"));
}

TEST(Module, NamesASharedTensorOnce) {
  Tied tied;
  EXPECT_THAT(names_of(tied.parameters()), ElementsAre("encoder"));
}

TEST(Module, MovesWithItsTensors) {
  Sequential model = small_cnn();
  const Tensor handle = model.parameters()[3].second;
  const Sequential moved = std::move(model);
  Sequential again(Linear(1, 1));
  again = small_cnn();
  Sequential holder{Sequential(std::move(again)), Relu()};
  EXPECT_THAT(names_of(holder.parameters()).front(), "0.0.weight");
  EXPECT_TRUE(handle.requires_grad());
}

TEST(Module, LoadsAStateSavedFromAnother) {
  Sequential from = small_cnn(), into = small_cnn();
  fill_elements(from.buffers()[0].second, 3);
  const Tensor handle = into.parameters()[0].second;
  into.load_state(from.state());
  const State a = from.state(), b = into.state();
  for (std::size_t i = 0; i < a.size(); ++i)
    EXPECT_EQ(a[i].second.to_vector(), b[i].second.to_vector());
  EXPECT_EQ(handle.to_vector(), a[0].second.to_vector());
}

TEST(Module, NamesWhatAStateLacksOrHasTooMuch) {
  Sequential model = small_cnn();
  const std::vector<float> before = model.parameters()[0].second.to_vector();
  State state = small_cnn().state();
  state.erase(state.begin() + 4);
  EXPECT_THAT(message_of([&] { model.load_state(state); }),
              HasSubstr("\"1.running_variance\" is missing"));
  state = small_cnn().state();
  state.emplace_back("6.weight", zeros({2}));
  EXPECT_THAT(message_of([&] { model.load_state(state); }),
              HasSubstr("\"6.weight\" has no place here"));
  state = small_cnn().state();
  state[5].second = zeros({3, 9});
  const std::string misshapen = message_of([&] { model.load_state(state); });
  EXPECT_THAT(misshapen, HasSubstr("\"5.weight\" is f32 [3, 9], not f32 [3, 8]"));
  EXPECT_THAT(misshapen, HasSubstr("load a state saved from the same model"));
  state[5].second = zeros({3, 8}, {.dtype = DType::f64});
  EXPECT_THAT(message_of([&] { model.load_state(state); }), HasSubstr("is f64 [3, 8]"));
  EXPECT_EQ(model.parameters()[0].second.to_vector(), before);
}

TEST(Module, TrainAndEvalReachAllChildren) {
  Sequential model{Sequential(Dropout(0.5)), Dropout(0.5)};
  EXPECT_TRUE(model.is_training());
  model.eval();
  const Tensor x = ones({100});
  EXPECT_EQ(model(x).to_vector(), x.to_vector());
  model.train();
  EXPECT_NE(model(x).to_vector(), x.to_vector());
  EXPECT_TRUE(static_cast<Sequential&>(model[0])[0].is_training());
}

TEST(Module, AFrozenPartGetsNoGradientAndThawsAgain) {
  std::mt19937 random(1);
  Sequential model(Linear(3, 4), Relu(), Linear(4, 2));
  model[0].freeze();
  EXPECT_FALSE(model.parameters()[0].second.requires_grad());
  EXPECT_TRUE(model.parameters()[2].second.requires_grad());
  const Tensor x = lockstep::testing::random_tensor({5, 3}, random);
  backward(sum(model(x)));
  EXPECT_TRUE(has_gradient(model.parameters()[2].second));
  model.freeze(false);
  backward(sum(model(x)));
  EXPECT_TRUE(has_gradient(model.parameters()[0].second));
}

TEST(Module, StaysWhereItIsWhenMovedToItsOwnDevice) {
  Sequential model = small_cnn();
  const Tensor weight = model.parameters()[0].second;
  const float* place = weight.data<float>();
  model.to(Device{});
  EXPECT_EQ(weight.data<float>(), place);
  EXPECT_TRUE(weight.requires_grad());
}

// Steepest descent by hand: optimizers are a layer that modules do not know.
TEST(Module, ASmallNetworkFitsExclusiveOr) {
  core::manual_seed(1);
  Sequential model(Linear(2, 16), Tanh(), Linear(16, 1));
  const Tensor x = tensor({0, 0, 0, 1, 1, 0, 1, 1}, {4, 2});
  const Tensor y = tensor({0, 1, 1, 0}, {4, 1});
  double last = 0;
  for (int step = 0; step < 500; ++step) {
    const Tensor difference = model(x) - y;
    const Tensor loss = mean(difference * difference);
    last = loss.item();
    backward(loss);
    const NoGrad guard;
    for (const auto& [name, parameter] : model.parameters()) {
      sub_(parameter, gradient(parameter) * 0.2);
      consume_gradient(parameter);
    }
  }
  EXPECT_LT(last, 1e-2);
}

}  // namespace
}  // namespace lockstep::nn
