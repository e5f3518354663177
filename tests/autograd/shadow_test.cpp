#include "lockstep/autograd/shadow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/parameter.h"
#include "lockstep/base/error.h"
#include "lockstep/tensor/create.h"
#include "tests/support/failure.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::message_of;

TEST(Shadow, IsTheParameterItselfWhereThereIsNone) {
  const Tensor x = require_grad(tensor({1, 2}));
  EXPECT_TRUE(working_copy(x).is_same(x));
  keep_shadow(x, DType::bf16);
  EXPECT_FALSE(working_copy(x).is_same(x));
  keep_shadow(x, DType::f32);
  EXPECT_TRUE(working_copy(x).is_same(x));
}

TEST(Shadow, FollowsItsParameter) {
  Tensor x = tensor({1, 1 + 0x1p-9});
  require_grad(x);
  keep_shadow(x, DType::bf16);
  EXPECT_EQ(working_copy(x).dtype(), DType::bf16);
  EXPECT_THAT(working_copy(x).to_vector(), ElementsAre(1, 1));
  x.set({0}, 3);
  EXPECT_THAT(working_copy(x).to_vector(), ElementsAre(3, 1));
}

// Packed copies of weights are kept by version.
TEST(Shadow, HasANewVersionOnlyWhereItsElementsAreNew) {
  const Tensor x = require_grad(tensor({1, 2}));
  keep_shadow(x, DType::f16);
  const std::uint64_t version = working_copy(x).storage()->version();
  EXPECT_EQ(working_copy(x).storage()->version(), version);
  x.mark_mutated();
  EXPECT_GT(working_copy(x).storage()->version(), version);
}

TEST(Shadow, HasTheGradientOfItsParameterInF32) {
  const Tensor x = require_grad(tensor({1, 2}));
  place_gradient(x, full({2}, 100));
  keep_shadow(x, DType::bf16);
  backward(working_copy(x), tensor({1, 1 + 0x1p-7}, {.dtype = DType::bf16}));
  EXPECT_EQ(gradient(x).dtype(), DType::f32);
  EXPECT_THAT(gradient(x).to_vector(), ElementsAre(1, 1 + 0x1p-7));
}

TEST(Shadow, IsOffTheTapeWithAFrozenParameter) {
  const Tensor x = require_grad(tensor({1, 2}));
  keep_shadow(x, DType::bf16);
  require_grad(x, false);
  EXPECT_FALSE(working_copy(x).requires_grad());
  EXPECT_EQ(working_copy(x).dtype(), DType::bf16);
}

TEST(Shadow, IsOfAHalfAndOfAParameterOfF32) {
  const Tensor x = zeros({2}, {.dtype = DType::f64});
  const std::string message = message_of<DTypeError>([&] { keep_shadow(x, DType::bf16); });
  EXPECT_THAT(message, HasSubstr("keep_shadow: a shadow of bf16 for a parameter of f64"));
  EXPECT_THAT(message, HasSubstr("compute in f16 or bf16, from parameters of f32"));
  EXPECT_THROW(keep_shadow(zeros({2}), DType::f64), DTypeError);
}

}  // namespace
}  // namespace lockstep
