#include "lockstep/optim/optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockstep/base/error.h"
#include "lockstep/optim/adamw.h"
#include "lockstep/optim/sgd.h"
#include "lockstep/tensor/views.h"
#include "tests/support/failure.h"
#include "tests/support/leaves.h"

namespace lockstep::optim {
namespace {

using tests::message_of;

using lockstep::testing::give_gradient;
using lockstep::testing::give_random_gradients;
using lockstep::testing::random_leaf;
using lockstep::testing::random_parameters;
using lockstep::testing::random_values;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<Shape> shapes = {{3, 5}, {17}, {}, {2, 2, 2, 3}, {700}, {16}};

State parameters_from(std::uint32_t seed, DType dtype = DType::f32) {
  std::mt19937 random(seed);
  return random_parameters(shapes, random, dtype);
}

std::vector<std::vector<float>> values_of(const State& state) {
  std::vector<std::vector<float>> values;
  for (const auto& [name, tensor] : state) values.push_back(tensor.to_vector());
  return values;
}

void run_steps(Optimizer& optimizer, int count, std::uint32_t seed) {
  std::mt19937 random(seed);
  for (int i = 0; i < count; ++i) {
    give_random_gradients(optimizer.parameters(), random);
    optimizer.step();
  }
}

TEST(Optimizer, LeavesParametersWithoutGradientAndTheirStateAlone) {
  std::mt19937 random(1);
  const State parameters = parameters_from(1);
  AdamW optimizer(parameters);
  run_steps(optimizer, 2, 5);
  const auto before = values_of(parameters);
  const auto state_before = values_of(optimizer.state());
  for (const int i : {0, 3, 5}) {
    const Tensor& parameter = parameters[static_cast<std::size_t>(i)].second;
    give_gradient(parameter, random_values(parameter.elements(), random));
  }
  optimizer.step();
  const auto after = values_of(parameters);
  const auto state_after = values_of(optimizer.state());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const bool is_used = i == 0 || i == 3 || i == 5;
    EXPECT_EQ(after[i] != before[i], is_used) << i;
    for (std::size_t k : {2 + 2 * i, 3 + 2 * i})
      EXPECT_EQ(state_after[k] != state_before[k], is_used) << i;
  }
  EXPECT_THAT(state_after[1], ElementsAre(3, 2, 2, 3, 2, 3));
}

TEST(Optimizer, UpdatingInPiecesIsExactlyUpdatingAtOnce) {
  const State whole = parameters_from(2), pieces = parameters_from(2);
  AdamW first(whole), second(pieces);
  std::mt19937 random(3), cuts(4);
  for (int step = 0; step < 5; ++step) {
    std::mt19937 same = random;
    give_random_gradients(whole, random);
    give_random_gradients(pieces, same);
    first.step();
    second.begin_step();
    const std::int64_t count = second.arenas()[0].count();
    for (std::int64_t begin = 0; begin < count;) {
      const std::int64_t end =
          std::min<std::int64_t>(count, begin + 1 + static_cast<int>(cuts() % 90));
      second.update(0, {begin, end});
      begin = end;
    }
    second.finish_step();
  }
  EXPECT_EQ(values_of(whole), values_of(pieces));
  EXPECT_EQ(values_of(first.state()), values_of(second.state()));
}

TEST(Optimizer, LayoutDoesNotChangeExactValues) {
  const State straight = parameters_from(6), shuffled = parameters_from(6);
  AdamW first(straight), second(shuffled);
  run_steps(first, 3, 7);
  run_steps(second, 1, 7);
  second.arenas()[0].reorder(std::vector<int>{5, 0, 3, 2, 1, 4});
  std::mt19937 random(7);
  give_random_gradients(second.parameters(), random);  // the draws of the step already taken
  second.discard_gradients();
  for (int i = 0; i < 2; ++i) {
    give_random_gradients(second.parameters(), random);
    second.step();
  }
  EXPECT_EQ(values_of(straight), values_of(shuffled));
}

TEST(Optimizer, TakesPartFlagsOverrideWhatThisProcessSaw) {
  const State parameters = parameters_from(8);
  Sgd optimizer(parameters, {.lr = 0.5});
  const auto before = values_of(parameters);
  const std::vector<double> ones(17, 1.0);
  give_gradient(parameters[1].second, ones);
  std::vector<bool> flags(parameters.size(), false);
  flags[5] = true;
  fill_elements(gradient(parameters[5].second), 1);
  optimizer.begin_step(flags);
  optimizer.update(0, {0, optimizer.arenas()[0].count()});
  optimizer.finish_step();
  EXPECT_EQ(parameters[1].second.to_vector(), before[1]);
  EXPECT_FLOAT_EQ(parameters[5].second.to_vector()[3], before[5][3] - 0.5F);
  EXPECT_FALSE(has_gradient(parameters[1].second));
}

TEST(Optimizer, ConsumesGradientsSoThatTheNextOnesOverwrite) {
  const State parameters = parameters_from(9);
  Sgd optimizer(parameters, {.lr = 1});
  const std::vector<double> ones(17, 1.0);
  give_gradient(parameters[1].second, ones);
  optimizer.step();
  EXPECT_FALSE(has_gradient(parameters[1].second));
  give_gradient(parameters[1].second, ones);
  EXPECT_THAT(gradient(parameters[1].second).to_vector(), Each(1.0F));
}

TEST(Optimizer, MarksOnlyWhatItUpdatedAsMutated) {
  const State parameters = parameters_from(10);
  Sgd optimizer(parameters);
  const auto version = [&](std::size_t i) { return parameters[i].second.storage()->version(); };
  const auto used = version(1), unused = version(0);
  give_gradient(parameters[1].second, std::vector<double>(17, 1.0));
  optimizer.step();
  EXPECT_GT(version(1), used);
  EXPECT_EQ(version(0), unused);
}

TEST(Optimizer, FrozenParametersStayAndThawWithTheirGradientsInTheArena) {
  const State parameters = parameters_from(11);
  require_grad(parameters[1].second, false);
  Sgd optimizer(parameters, {.lr = 1});
  const auto before = values_of(parameters);
  EXPECT_TRUE(optimizer.arenas()[0].is_frozen(1));
  optimizer.begin_step(std::vector<bool>(parameters.size(), true));
  optimizer.update(0, {0, optimizer.arenas()[0].count()});
  optimizer.finish_step();
  EXPECT_EQ(parameters[1].second.to_vector(), before[1]);

  require_grad(parameters[1].second);
  give_gradient(parameters[1].second, std::vector<double>(17, 1.0));
  optimizer.step();
  EXPECT_FLOAT_EQ(parameters[1].second.to_vector()[0], before[1][0] - 1);
  const auto segment = optimizer.arenas()[0].segments()[1].range();
  EXPECT_EQ(gradient(parameters[1].second).data<float>(),
            optimizer.arenas()[0].gradients(segment).data);
}

TEST(Optimizer, GroupsScaleTheRateAndChooseTheirDecay) {
  std::mt19937 random(12);
  const Tensor fast = random_leaf({2, 2}, random), plain = random_leaf({2, 2}, random);
  const Tensor bias = random_leaf({4}, random);
  ParameterGroups groups;
  groups.push_back({{{"fast", fast}}, {.lr_scale = 10, .weight_decay = 0}});
  groups.push_back({{{"plain", plain}, {"bias", bias}}, {.decays_vectors = false}});
  Sgd optimizer(groups, {.lr = 0.01, .weight_decay = 0.5});
  EXPECT_TRUE(optimizer.arenas()[0].segments()[2].no_decay);
  const float f = fast.to_vector()[0], p = plain.to_vector()[0], b = bias.to_vector()[0];
  for (const Tensor& x : {fast, plain, bias}) give_gradient(x, std::vector<double>(4, 1.0));
  optimizer.step();
  EXPECT_FLOAT_EQ(fast.to_vector()[0], f - 0.1F);
  EXPECT_FLOAT_EQ(plain.to_vector()[0], p - 0.01F * (1 + 0.5F * p));
  EXPECT_FLOAT_EQ(bias.to_vector()[0], b - 0.01F);
}

TEST(Optimizer, ScalesGradientsForOneStepOnly) {
  std::mt19937 random(13);
  const Tensor x = random_leaf({4}, random);
  Sgd optimizer({{"x", x}}, {.lr = 1});
  const float start = x.to_vector()[0];
  give_gradient(x, std::vector<double>(4, 1.0));
  optimizer.scale_gradients(0.5);
  optimizer.scale_gradients(0.5);
  optimizer.step();
  EXPECT_FLOAT_EQ(x.to_vector()[0], start - 0.25F);
  EXPECT_EQ(optimizer.gradient_scale(), 1);
}

TEST(Optimizer, UsesTheLearningRateThatItIsGiven) {
  std::mt19937 random(14);
  const Tensor x = random_leaf({4}, random);
  Sgd optimizer({{"x", x}}, {.lr = 1});
  optimizer.use_learning_rate(0.125);
  EXPECT_EQ(optimizer.learning_rate(), 0.125);
  const float start = x.to_vector()[0];
  give_gradient(x, std::vector<double>(4, 1.0));
  optimizer.step();
  EXPECT_FLOAT_EQ(x.to_vector()[0], start - 0.125F);
  EXPECT_THAT(message_of([&] { optimizer.use_learning_rate(-1); }),
              HasSubstr("optimizer: learning rate is -1"));
}

TEST(Optimizer, GoesOnFromASavedStateExactly) {
  const State original = parameters_from(15), restored = parameters_from(16);
  AdamW first(original, {.weight_decay = 0.1});
  first.use_learning_rate(0.02);
  run_steps(first, 3, 17);
  State saved;
  for (const auto& [name, tensor] : first.state()) saved.emplace_back(name, copied(tensor));

  AdamW second(restored, {.weight_decay = 0.1});
  second.arenas()[0].reorder(std::vector<int>{3, 1, 0, 2, 5, 4});
  second.load_state(saved);
  lockstep::load_state(restored, original);
  EXPECT_EQ(second.steps(), 3);
  EXPECT_EQ(second.learning_rate(), 0.02);
  run_steps(first, 3, 18);
  run_steps(second, 3, 18);
  EXPECT_EQ(values_of(original), values_of(restored));
}

TEST(Optimizer, NamesItsStatesAfterParameters) {
  std::mt19937 random(19);
  AdamW optimizer(random_parameters({{2}}, random));
  std::vector<std::string> names;
  for (const auto& [name, tensor] : optimizer.state()) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("learning_rate", "steps", "first_moment.p0", "second_moment.p0"));
  EXPECT_THAT(message_of([&] {
                Sgd other(random_parameters({{2}}, random));
                optimizer.load_state(other.state());
              }),
              HasSubstr("\"first_moment.p0\" is missing"));
}

TEST(Optimizer, MakesAnArenaForEachType) {
  std::mt19937 random(20);
  const Tensor narrow = random_leaf({4}, random), wide = random_leaf({4}, random, DType::f64);
  Sgd optimizer({{"narrow", narrow}, {"wide", wide}}, {.lr = 1});
  ASSERT_EQ(optimizer.arenas().size(), 2U);
  const float start = narrow.to_vector()[0];
  const double wide_start = wide.to_vector<double>()[0];
  for (const Tensor& x : {narrow, wide}) give_gradient(x, std::vector<double>(4, 1.0));
  optimizer.step();
  EXPECT_FLOAT_EQ(narrow.to_vector()[0], start - 1);
  EXPECT_DOUBLE_EQ(wide.to_vector<double>()[0], wide_start - 1);
}

TEST(Optimizer, RefusesWhatCannotBeAParameter) {
  std::mt19937 random(21);
  const Tensor x = random_leaf({4}, random);
  EXPECT_THAT(message_of([] { Sgd(State{}); }), HasSubstr("optimizer: no parameters"));
  EXPECT_THAT(message_of([&] { Sgd({{"x", Tensor()}}); }), HasSubstr("parameter 'x' is undefined"));
  const std::string twice = message_of([&] { Sgd({{"x", x}, {"x", random_leaf({2}, random)}}); });
  EXPECT_THAT(twice, HasSubstr("two parameters are called 'x'"));
  EXPECT_THAT(twice, HasSubstr("a prefix for each module"));
}

TEST(Optimizer, RefusesTheStepsPartsOutOfOrder) {
  std::mt19937 random(22);
  Sgd optimizer(random_parameters({{2}}, random));
  EXPECT_THAT(message_of([&] {
                optimizer.update(0, {0, 1});
              }),
              HasSubstr("call begin_step() first"));
  EXPECT_THAT(message_of([&] {
                optimizer.begin_step({true, true});
              }),
              HasSubstr("2 flags for 1 parameters"));
  optimizer.begin_step();
  const std::string twice = message_of([&] { optimizer.begin_step(); });
  EXPECT_THAT(twice, HasSubstr("optimizer: a step begins before the last one was finished"));
  EXPECT_THAT(twice, HasSubstr("call finish_step() first"));
}

}  // namespace
}  // namespace lockstep::optim
