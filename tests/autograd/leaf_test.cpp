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

using testing::AllOf;
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
              AllOf(HasSubstr("require_grad: a tensor of i64"),
                    HasSubstr("fix:   only floating-point tensors have gradients; cast it first")));
  EXPECT_THAT(message_of<UsageError>([] { gradient(zeros({1})); }),
              AllOf(HasSubstr("gradient: the tensor is not a leaf of the tape"),
                    HasSubstr("fix:   call require_grad on it, before any operation")));
  EXPECT_THAT(message_of<UsageError>([] { backward(zeros({1})); }),
              AllOf(HasSubstr("does not depend on any leaf"),
                    HasSubstr("fix:   call require_grad on the parameters")));
  EXPECT_THAT(message_of<ShapeError>([] { backward(require_grad(zeros({2}))); }),
              AllOf(HasSubstr("shape [2] is not a scalar"),
                    HasSubstr("fix:   reduce it to one number, or give a seed of its shape")));
  EXPECT_THAT(message_of<ShapeError>([] { backward(require_grad(zeros({2})), zeros({3})); }),
              AllOf(HasSubstr("seed of shape [3] for a tensor of shape [2]"),
                    HasSubstr("fix:   give a seed of the tensor's shape")));
  EXPECT_THAT(message_of<DTypeError>(
                  [] { backward(require_grad(zeros({2})), zeros({2}, {.dtype = DType::f64})); }),
              HasSubstr("seed of f64 for a tensor of f32"));
  EXPECT_THAT(message_of<ShapeError>([] { place_gradient(require_grad(zeros({2})), zeros({3})); }),
              HasSubstr("place_gradient: [3] for a leaf of shape [2]"));
}

}  // namespace
}  // namespace lockstep
