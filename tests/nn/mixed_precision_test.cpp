// Layers that compute in half precision from parameters of f32.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/captured.h"
#include "lockstep/autograd/grad_mode.h"
#include "lockstep/autograd/parameter.h"
#include "lockstep/autograd/shadow.h"
#include "lockstep/base/error.h"
#include "lockstep/core/random.h"
#include "lockstep/nn/conv.h"
#include "lockstep/nn/linear.h"
#include "lockstep/nn/norm.h"
#include "lockstep/nn/sequential.h"
#include "lockstep/ops/pointwise.h"
#include "lockstep/ops/random.h"
#include "lockstep/ops/reduce.h"
#include "lockstep/ops/rows.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"
#include "tests/support/failure.h"

namespace lockstep::nn {
namespace {

using testing::HasSubstr;
using tests::message_of;

class MixedPrecision : public testing::TestWithParam<DType> {
 protected:
  MixedPrecision()
      : keys_(3, 0, 0), images_(normal({5, 6, 6, 1})), labels_(empty({5}, {DType::i64})) {
    for (std::int64_t i = 0; i < 5; ++i) labels_.data<std::int64_t>()[i] = i % 3;
  }

  static Sequential model() {
    const core::RandomScope keys(4, 0, 0);
    return Sequential(Conv2d(1, 8, {.padding = 1}), BatchNorm(8), Relu(), MaxPool2d(), Flatten(),
                      Linear(72, 3));
  }

  static Sequential smooth_model() {
    const core::RandomScope keys(4, 0, 0);
    return Sequential(Conv2d(1, 8, {.padding = 1}), BatchNorm(8), Tanh(), AvgPool2d(), Flatten(),
                      Linear(72, 3));
  }

  double loss_of(Sequential& model) const {
    const Tensor loss = cross_entropy(model(images_), labels_);
    EXPECT_EQ(loss.dtype(), DType::f32);
    backward(loss);
    return loss.item();
  }

  core::RandomScope keys_;
  Tensor images_;
  Tensor labels_;
};

TEST_P(MixedPrecision, KeepsParametersBuffersAndGradientsInF32) {
  Sequential half = model();
  half.compute_in(GetParam());
  EXPECT_EQ(half(images_).dtype(), GetParam());
  loss_of(half);
  for (const auto& [name, tensor] : half.state()) EXPECT_EQ(tensor.dtype(), DType::f32) << name;
  for (const auto& [name, parameter] : half.parameters())
    EXPECT_EQ(gradient(parameter).dtype(), DType::f32) << name;
}

TEST_P(MixedPrecision, PassesLayersThatComputeInF32) {
  Sequential half(Conv2d(2, 4, {.kernel = 3}), ConvTranspose2d(4, 3, {.kernel = 2}), LayerNorm(3));
  half.compute_in(GetParam());
  const Tensor y = half(ones({2, 5, 4, 2}));
  EXPECT_EQ(y.dtype(), GetParam());
  backward(sum(mul(y, y)));
  for (const auto& [name, parameter] : half.parameters())
    EXPECT_EQ(gradient(parameter).dtype(), DType::f32) << name;
}

// Without maxima and ReLU, where a rounding may send a gradient another way. A rounding of 2^-8 for
// bf16 in each of the layers' results and weights, and in the gradients that pass them.
TEST_P(MixedPrecision, ComesCloseToF32) {
  const double step = GetParam() == DType::bf16 ? 0x1p-8 : 0x1p-11;
  Sequential half = smooth_model(), full = smooth_model();
  half.compute_in(GetParam());
  EXPECT_NEAR(loss_of(half), loss_of(full), 8 * step);
  const State halves = half.parameters(), fulls = full.parameters();
  for (std::size_t i = 0; i < fulls.size(); ++i) {
    const Tensor expected = gradient(fulls[i].second);
    const Tensor difference = sub(gradient(halves[i].second), expected);
    const double scale = std::sqrt(sum(mul(expected, expected)).item());
    // A bias before a normalisation has no gradient but rounding.
    if (fulls[i].first == "0.bias") continue;
    EXPECT_LT(std::sqrt(sum(mul(difference, difference)).item()), 8 * step * scale)
        << fulls[i].first;
  }
}

// Were the gradient rounded to a half on its way, its lower bits would be zeros.
TEST_P(MixedPrecision, WritesWeightGradientsUnrounded) {
  Sequential half = model();
  half.compute_in(GetParam());
  loss_of(half);
  for (const char* name : {"0.weight", "5.weight"}) {
    for (const auto& [found, parameter] : half.parameters()) {
      if (found != name) continue;
      const Tensor rounded = copied(copied(gradient(parameter), GetParam()), DType::f32);
      EXPECT_NE(rounded.to_vector(), gradient(parameter).to_vector()) << name;
    }
  }
}

TEST_P(MixedPrecision, FollowsWhatIsLoaded) {
  Sequential half = model();
  half.compute_in(GetParam());
  const NoGrad no_grad;
  const std::vector<float> before = half(images_).to_vector();
  Sequential other = model();
  for (const auto& [name, tensor] : other.parameters()) fill_elements(tensor, 0.25);
  half.load_state(other.state());
  EXPECT_NE(half(images_).to_vector(), before);
  other.compute_in(GetParam());
  EXPECT_EQ(half(images_).to_vector(), other(images_).to_vector());
}

// Fine-tuning: the frozen layer computes in the same dtype.
TEST_P(MixedPrecision, TakesFrozenParameters) {
  Sequential half = model();
  half.compute_in(GetParam());
  for (const auto& [name, parameter] : half.parameters())
    if (name.substr(0, 2) == "0.") require_grad(parameter, false);
  const std::vector<float> frozen = half(images_).to_vector();
  Sequential learned = model();
  learned.compute_in(GetParam());
  EXPECT_EQ(frozen, learned(images_).to_vector());
  loss_of(half);
}

// An op that knows nothing of shadows gets the gradient in its own dtype.
TEST_P(MixedPrecision, LetsEveryOpUseAWorkingCopy) {
  const Tensor weight = require_grad(tensor({1, 2, 3}));
  keep_shadow(weight, GetParam());
  const Tensor y = mul(working_copy(weight), tensor({4, 5, 6}, {.dtype = GetParam()}));
  backward(sum(y));
  EXPECT_EQ(gradient(weight).dtype(), DType::f32);
  EXPECT_THAT(gradient(weight).to_vector(), testing::ElementsAre(4, 5, 6));
}

TEST_P(MixedPrecision, ReplaysWithWeightsThatChangeInBetweenExact) {
  Sequential half = model();
  half.compute_in(GetParam());
  half.eval();
  Captured captured([&](const Tensor& x) { return half(x); });
  const NoGrad no_grad;
  for (const double value : {0.5, 0.75, -0.5}) {
    for (const auto& [name, parameter] : half.parameters()) {
      fill_elements(parameter, value);
      parameter.mark_mutated();
    }
    EXPECT_EQ(captured(images_).to_vector(), half(images_).to_vector());
  }
  EXPECT_EQ(captured.recordings(), 1);
}

TEST_P(MixedPrecision, GoesBackToF32) {
  Sequential half = model(), full = model();
  half.compute_in(GetParam());
  half.compute_in(DType::f32);
  EXPECT_EQ(half(images_).to_vector(), full(images_).to_vector());
}

INSTANTIATE_TEST_SUITE_P(Halves, MixedPrecision, testing::Values(DType::f16, DType::bf16),
                         [](const auto& each) { return std::string(name_of(each.param)); });

TEST(ComputeIn, NamesAParameterThatIsNotF32) {
  Sequential model(Linear(2, 3), Linear(3, 2, {.dtype = DType::f64}));
  const std::string message = message_of<DTypeError>([&] { model.compute_in(DType::bf16); });
  EXPECT_THAT(message, HasSubstr("compute_in: parameter 1.weight is f64"));
  EXPECT_THAT(message, HasSubstr("make the model with parameters of f32"));
}

}  // namespace
}  // namespace lockstep::nn
