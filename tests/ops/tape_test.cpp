// The tape as users meet it: fan-out, long graphs, misuse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/grad_mode.h"
#include "lockstep/autograd/gradcheck.h"
#include "lockstep/autograd/hooks.h"
#include "lockstep/autograd/parameter.h"
#include "lockstep/base/error.h"
#include "lockstep/core/allocator.h"
#include "lockstep/ops/pointwise.h"
#include "lockstep/ops/reduce.h"
#include "lockstep/ops/views.h"
#include "lockstep/tensor/create.h"
#include "tests/support/failure.h"

namespace lockstep {
namespace {

using tests::message_of;

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Tape, AddsTheContributionsOfAnyFanOut) {
  const Tensor x = require_grad(tensor({2, 3}));
  Tensor y = mul(x, x);
  for (int i = 0; i < 10; ++i) y = add(y, mul(x, 1.0 * i));
  backward(sum(add(y, y)));
  EXPECT_THAT(gradient(x).to_vector(), ElementsAre(2 * (4 + 45), 2 * (6 + 45)));
}

TEST(Tape, DoesNotShareAGradientThatTwoInputsWereGiven) {
  const Tensor a = require_grad(tensor({1}));
  const Tensor b = require_grad(tensor({1}));
  // add() hands the same gradient to both sides; b's then gets one more contribution.
  const Tensor left = mul(a, 1.0);
  const Tensor right = mul(b, 1.0);
  backward(sum(add(add(left, right), right)));
  EXPECT_THAT(gradient(a).to_vector(), ElementsAre(1));
  EXPECT_THAT(gradient(b).to_vector(), ElementsAre(2));
}

TEST(Tape, RunsAHundredThousandNodesWithoutDeepRecursionAndFreesThem) {
  const std::size_t before = core::allocator({}).statistics().in_use;
  for (const bool runs_backward : {true, false}) {
    const Tensor x = require_grad(tensor({1}));
    Tensor y = x;
    for (int i = 0; i < 100000; ++i) y = add(y, 0.0);
    if (runs_backward) {
      backward(y);
      EXPECT_THAT(gradient(x).to_vector(), ElementsAre(1));
    }
  }
  EXPECT_EQ(core::allocator({}).statistics().in_use, before);
}

TEST(Tape, RecordsNothingUnderNoGradOrAfterDetach) {
  const Tensor x = require_grad(tensor({1}));
  {
    const NoGrad no_grad;
    EXPECT_FALSE(mul(x, x).requires_grad());
  }
  EXPECT_FALSE(mul(x.detach(), 2.0).requires_grad());
  EXPECT_TRUE(mul(x, x).requires_grad());
}

TEST(Tape, CallsAHookOnceAllContributionsAreThere) {
  const Tensor x = require_grad(tensor({3}));
  float seen = 0;
  int calls = 0;
  const HookHandle handle = on_gradient_final(x, [&] {
    ++calls;
    seen = gradient(x).item<float>();
  });
  backward(add(mul(x, 2.0), mul(x, 5.0)));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(seen, 7);
}

TEST(Tape, RefusesASecondBackwardThroughTheSameGraph) {
  const Tensor x = require_grad(tensor({3}));
  const Tensor trunk = mul(x, x);
  const Tensor loss = mul(trunk, 2.0);
  backward(loss);
  const std::string message = message_of<UsageError>([&] { backward(loss); });
  EXPECT_THAT(message, HasSubstr("was already used by an earlier backward"));
  EXPECT_THAT(message, HasSubstr("fix:   compute the loss again, or add the losses and call"));
  EXPECT_THAT(message_of<UsageError>([&] { backward(mul(trunk, 3.0)); }),
              HasSubstr("backward: the graph at mul was already used"));
  EXPECT_THAT(gradient(x).to_vector(), ElementsAre(12));
}

TEST(Tape, RefusesToUseASavedTensorThatWasChanged) {
  const Tensor x = require_grad(tensor({3}));
  const Tensor factor = tensor({2});
  const Tensor loss = mul(x, factor);
  mul_(factor, 2.0);
  const std::string message = message_of<UsageError>([&] { backward(loss); });
  EXPECT_THAT(message,
              HasSubstr("backward of mul: a tensor of shape [1] that it saved was changed"));
  EXPECT_THAT(message, HasSubstr("fix:"));
}

TEST(Tape, HasNoPlaceForALeafWithinIt) {
  const Tensor y = require_grad(tensor({3})) + tensor({1});
  const std::string message = message_of<UsageError>([&] { require_grad(y); });
  EXPECT_THAT(message, HasSubstr("require_grad: the tensor is the result of a recorded operation"));
  EXPECT_THAT(message, HasSubstr("fix:   detach it first"));
}

TEST(Tape, NoticesAChangeThroughAView) {
  const Tensor x = require_grad(tensor({3, 4}));
  const Tensor factor = tensor({2, 2});
  const Tensor loss = sum(mul(x, factor));
  add_(slice(factor, 0, 0, 1), 1.0);
  EXPECT_THAT(message_of<UsageError>([&] { backward(loss); }),
              HasSubstr("backward of mul: a tensor of shape [2] that it saved was changed"));
}

TEST(Tape, RefusesInPlaceOperationsOnTensorsThatNeedAGradient) {
  const Tensor x = require_grad(tensor({3}));
  const std::string message = message_of<UsageError>([&] { add_(x, 1.0); });
  EXPECT_THAT(message, HasSubstr("in place on a tensor that needs a gradient"));
  EXPECT_THAT(message, HasSubstr("fix:   use the form without the underscore, or wrap the call"));
  const NoGrad no_grad;
  add_(x, 1.0);
  EXPECT_EQ(x.item(), 4);
}

TEST(Gradcheck, FindsAWrongGradient) {
  const auto right = [](const std::vector<Tensor>& in) { return mul(in[0], in[0]); };
  const auto wrong = [](const std::vector<Tensor>& in) { return mul(in[0], in[0].detach()); };
  const std::vector<Tensor> inputs{tensor({1, 2, 3}, {.dtype = DType::f64})};
  EXPECT_TRUE(gradcheck(right, inputs).is_correct);
  const GradcheckResult result = gradcheck(wrong, inputs);
  EXPECT_FALSE(result.is_correct);
  EXPECT_THAT(result.difference, HasSubstr("input 0, element"));
}

TEST(Gradcheck, RefusesInputsOfLessPrecision) {
  const auto same = [](const std::vector<Tensor>& in) { return in[0]; };
  const std::string message = message_of<DTypeError>([&] { gradcheck(same, {tensor({1})}); });
  EXPECT_THAT(message, HasSubstr("gradcheck: an input of f32"));
  EXPECT_THAT(message, HasSubstr("fix:   use f64 inputs"));
}

}  // namespace
}  // namespace lockstep
