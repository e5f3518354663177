#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/hooks.h"
#include "lockstep/autograd/parameter.h"
#include "lockstep/base/error.h"
#include "lockstep/tensor/create.h"
#include "tests/support/failure.h"

namespace lockstep {
namespace {

using tests::message_of;

using testing::HasSubstr;

TEST(Leaf, HasNoGradientBeforeBackward) {
  Tensor x = zeros({2});
  require_grad(x);
  EXPECT_TRUE(is_leaf(x));
  EXPECT_FALSE(has_gradient(x));
  EXPECT_FALSE(gradient(x).is_defined());
}

TEST(Leaf, OverwritesItsFirstGradientAndAddsLaterOnes) {
  const Tensor x = require_grad(zeros({2}));
  place_gradient(x, full({2}, 100));
  backward(x, tensor({1, 2}));
  EXPECT_THAT(gradient(x).to_vector(), testing::ElementsAre(1, 2));
  backward(x, tensor({1, 2}));
  EXPECT_THAT(gradient(x).to_vector(), testing::ElementsAre(2, 4));
  consume_gradient(x);
  backward(x, tensor({5, 6}));
  EXPECT_THAT(gradient(x).to_vector(), testing::ElementsAre(5, 6));
}

TEST(Leaf, RunsHooksUntilTheirHandleGoes) {
  const Tensor x = require_grad(zeros({1}));
  int calls = 0;
  {
    const HookHandle handle = on_gradient_final(x, [&] { ++calls; });
    backward(x);
  }
  backward(x);
  EXPECT_EQ(calls, 1);
}

TEST(Leaf, LeavesTheTapeWhenFrozen) {
  Tensor x = require_grad(zeros({1}));
  require_grad(x, false);
  EXPECT_FALSE(x.requires_grad());
  EXPECT_EQ(packing_key(x), 0U);
}

TEST(Leaf, HasAPackingKeyOfItsOwn) {
  EXPECT_NE(packing_key(require_grad(zeros({1}))), packing_key(require_grad(zeros({1}))));
}

TEST(Leaf, NamesWhatIsWrong) {
  EXPECT_THAT(message_of<DTypeError>([] { require_grad(zeros({1}, {.dtype = DType::i64})); }),
              HasSubstr("require_grad: a tensor of i64"));
  EXPECT_THAT(message_of<UsageError>([] { gradient(zeros({1})); }),
              HasSubstr("gradient: the tensor is not a leaf of the tape"));
  EXPECT_THAT(message_of<UsageError>([] { backward(zeros({1})); }),
              HasSubstr("does not depend on any leaf"));
  EXPECT_THAT(message_of<ShapeError>([] { backward(require_grad(zeros({2}))); }),
              HasSubstr("shape [2] is not a scalar"));
  EXPECT_THAT(message_of<ShapeError>([] { backward(require_grad(zeros({2})), zeros({3})); }),
              HasSubstr("seed of shape [3] for a tensor of shape [2]"));
  EXPECT_THAT(message_of<DTypeError>(
                  [] { backward(require_grad(zeros({2})), zeros({2}, {.dtype = DType::f64})); }),
              HasSubstr("seed of f64 for a tensor of f32"));
  EXPECT_THAT(message_of<ShapeError>([] { place_gradient(require_grad(zeros({2})), zeros({3})); }),
              HasSubstr("place_gradient: [3] for a leaf of shape [2]"));
}

}  // namespace
}  // namespace lockstep
