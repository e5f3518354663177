// Shadows that updates write, and the loss scale.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "lockstep/autograd/shadow.h"
#include "lockstep/base/error.h"
#include "lockstep/optim/adamw.h"
#include "lockstep/optim/clip.h"
#include "lockstep/optim/sgd.h"
#include "lockstep/tensor/views.h"
#include "tests/support/failure.h"
#include "tests/support/leaves.h"

namespace lockstep::optim {
namespace {

using lockstep::testing::give_random_gradients;
using lockstep::testing::random_parameters;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tests::message_of;

State half_parameters(DType dtype) {
  std::mt19937 random(1);
  State parameters = random_parameters({{3, 5}, {17}, {40, 7}, {700}}, random);
  keep_shadow(parameters[0].second, dtype);
  keep_shadow(parameters[2].second, dtype);
  return parameters;
}

std::vector<float> rounded(const Tensor& parameter, DType dtype) {
  return copied(parameter, dtype).to_vector();
}

void expect_current_shadows(const State& parameters, DType dtype) {
  for (const int i : {0, 2}) {
    const Tensor& parameter = parameters[static_cast<std::size_t>(i)].second;
    EXPECT_EQ(working_copy(parameter).dtype(), dtype);
    EXPECT_EQ(working_copy(parameter).to_vector(), rounded(parameter, dtype)) << i;
  }
}

TEST(MixedPrecision, WritesShadowsInTheUpdate) {
  std::mt19937 random(2);
  for (const DType dtype : {DType::bf16, DType::f16}) {
    const State parameters = half_parameters(dtype);
    AdamW adam(parameters);
    if (adam.loss_scaler() != nullptr) adam.scale_losses({.scale = 1});
    expect_current_shadows(parameters, dtype);
    for (int step = 0; step < 3; ++step) {
      give_random_gradients(parameters, random);
      adam.begin_step();
      adam.update(0, {0, adam.arenas()[0].count()});
      adam.finish_step();
      // Written already: nothing is left for whoever wants it next.
      const Tensor& first = parameters[0].second;
      EXPECT_EQ(first.shadow()->version, first.storage()->version());
      expect_current_shadows(parameters, dtype);
    }
  }
}

// Where others update the rest, as in DataParallel's fused tail.
TEST(MixedPrecision, RefreshesShadowsOfParametersThatWereUpdatedInParts) {
  std::mt19937 random(3);
  const State parameters = half_parameters(DType::bf16);
  Sgd sgd(parameters);
  expect_current_shadows(parameters, DType::bf16);
  give_random_gradients(parameters, random);
  sgd.begin_step();
  sgd.update(0, {0, 100});
  fill_elements(parameters[3].second, 0.3);
  sgd.finish_step();
  expect_current_shadows(parameters, DType::bf16);
}

TEST(MixedPrecision, KeepsShadowsWhenTheArenaIsLaidOutAnew) {
  const State parameters = half_parameters(DType::bf16);
  Sgd sgd(parameters);
  expect_current_shadows(parameters, DType::bf16);
  sgd.arenas()[0].reorder(std::vector<int>{2, 3, 0, 1});
  expect_current_shadows(parameters, DType::bf16);
  std::mt19937 random(4);
  give_random_gradients(parameters, random);
  sgd.step();
  expect_current_shadows(parameters, DType::bf16);
}

TEST(MixedPrecision, TakesShadowsThatAreKeptLater) {
  std::mt19937 random(5);
  const State parameters = random_parameters({{4, 4}, {6}, {8, 9}}, random);
  Sgd sgd(parameters);
  for (const DType dtype : {DType::bf16, DType::f16, DType::f32}) {
    keep_shadow(parameters[0].second, dtype);
    keep_shadow(parameters[2].second, dtype);
    if (dtype == DType::f16) sgd.scale_losses({.scale = 1});
    give_random_gradients(parameters, random);
    sgd.begin_step();
    sgd.update(0, {0, sgd.arenas()[0].count()});
    sgd.finish_step();
    if (dtype != DType::f32) expect_current_shadows(parameters, dtype);
  }
}

TEST(LossScaler, GrowsAndBacksOff) {
  LossScaler scaler({.scale = 8, .growth = 4, .growth_steps = 3, .backoff = 0.25});
  std::vector<double> scales;
  for (const bool is_finite : {true, true, true, true, true, false, true, true, true}) {
    scaler.record(is_finite);
    scales.push_back(scaler.scale());
  }
  EXPECT_THAT(scales, ElementsAre(8, 8, 32, 32, 32, 8, 8, 8, 32));
}

TEST(LossScaler, BeginsWithPyTorchsDefaults) {
  LossScaler scaler;
  EXPECT_EQ(scaler.scale(), 65536);
  scaler.record(false);
  EXPECT_EQ(scaler.scale(), 32768);
  for (int i = 0; i < 2000; ++i) scaler.record(true);
  EXPECT_EQ(scaler.scale(), 65536);
}

TEST(LossScaler, GivesUpWhereNoScaleHelps) {
  LossScaler scaler({.scale = 0x1p-22});
  scaler.record(false);
  scaler.record(false);
  const std::string message = message_of([&] { scaler.record(false); });
  EXPECT_THAT(message, HasSubstr("gradients are not finite at a loss scale of 5.96e-08 either"));
  EXPECT_THAT(message, HasSubstr("look for NaN or infinity in the data"));
}

TEST(LossScaler, GoesOnFromItsState) {
  LossScaler first({.growth_steps = 3}), second({.growth_steps = 3});
  for (const bool is_finite : {false, true, true}) first.record(is_finite);
  load_state(second.state(), first.state());
  second.record(true);
  EXPECT_EQ(second.scale(), 65536);
}

TEST(LossScaler, RefusesConstantsThatCannotWork) {
  EXPECT_THAT(message_of<UsageError>([] { LossScaler({.scale = 0}); }),
              HasSubstr("loss scaler: scale 0, backoff 0.5"));
  EXPECT_THROW(LossScaler({.growth = 0.5}), UsageError);
  EXPECT_THROW(LossScaler({.backoff = 1}), UsageError);
  EXPECT_THAT(message_of<UsageError>([] { LossScaler({.growth_steps = 0}); }),
              HasSubstr("loss scaler: growth_steps 0"));
}

TEST(LossScaler, IsMissedWhereF16CameAfterTheOptimizer) {
  std::mt19937 random(6);
  const State parameters = random_parameters({{4, 4}}, random);
  Sgd sgd(parameters);
  keep_shadow(parameters[0].second, DType::f16);
  give_random_gradients(parameters, random);
  const std::string message = message_of<UsageError>([&] { sgd.step(); });
  EXPECT_THAT(message, HasSubstr("layers compute in f16, and nothing scales the loss"));
  EXPECT_THAT(message, HasSubstr("call compute_in before the optimizer is made, or scale_losses"));
}

TEST(LossScaler, BelongsToOptimizersWhoseParametersComputeInF16) {
  Sgd half(half_parameters(DType::f16)), brain(half_parameters(DType::bf16));
  ASSERT_NE(half.loss_scaler(), nullptr);
  EXPECT_EQ(half.loss_scaler()->scale(), 65536);
  EXPECT_EQ(brain.loss_scaler(), nullptr);
  EXPECT_EQ(half.state().size(), brain.state().size() + 2);
}

TEST(LossScaler, LeavesTheUpdateAsItWouldBeWithout) {
  for (const bool is_scaled : {false, true}) {
    const Tensor x = require_grad(tensor({1}));
    Sgd sgd({{"x", x}}, {.lr = 0.25});
    if (is_scaled) sgd.scale_losses({.scale = 1024});
    sgd.backward(x);
    EXPECT_EQ(gradient(x).item(), is_scaled ? 1024 : 1);
    EXPECT_EQ(gradient_norm(sgd), 1);
    EXPECT_TRUE(sgd.step());
    EXPECT_EQ(x.item(), 0.75);
  }
}

TEST(LossScaler, SkipsStepsWithoutFiniteGradients) {
  const Tensor x = require_grad(tensor({1}));
  AdamW adam({{"x", x}});
  adam.scale_losses({.scale = std::numeric_limits<double>::max()});  // infinite as f32
  adam.backward(x);
  EXPECT_FALSE(adam.step());
  EXPECT_EQ(x.item(), 1);
  EXPECT_EQ(adam.steps(), 0);
  EXPECT_EQ(adam.loss_scaler()->scale(), std::numeric_limits<double>::max() / 2);
}

TEST(LossScaler, RefusesTheGradientsOfAnUnscaledLoss) {
  const Tensor x = require_grad(tensor({1}));
  Sgd sgd({{"x", x}});
  sgd.scale_losses();
  backward(x);
  const std::string message = message_of<UsageError>([&] { sgd.step(); });
  EXPECT_THAT(message, HasSubstr("step() with a loss scaler, and gradients of an unscaled loss"));
  EXPECT_THAT(message, HasSubstr("call the optimizer's backward(loss)"));
}

}  // namespace
}  // namespace lockstep::optim
