#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/grad_mode.h"
#include "lockstep/autograd/parameter.h"
#include "lockstep/base/error.h"
#include "lockstep/core/random.h"
#include "lockstep/ops/pointwise.h"
#include "lockstep/ops/random.h"
#include "lockstep/ops/reduce.h"
#include "lockstep/ops/views.h"
#include "lockstep/tensor/create.h"
#include "tests/support/failure.h"

namespace lockstep {
namespace {

struct InPlace {
  const char* name;
  const Tensor& (*in_place)(const Tensor& x, const Tensor& b);
  Tensor (*value)(const Tensor& x, const Tensor& b);
};

const InPlace all_in_place[] = {
    {"add_", [](const Tensor& x, const Tensor& b) -> const Tensor& { return add_(x, b); },
     [](const Tensor& x, const Tensor& b) { return add(x, b); }},
    {"sub_", [](const Tensor& x, const Tensor& b) -> const Tensor& { return sub_(x, b); },
     [](const Tensor& x, const Tensor& b) { return sub(x, b); }},
    {"mul_", [](const Tensor& x, const Tensor& b) -> const Tensor& { return mul_(x, b); },
     [](const Tensor& x, const Tensor& b) { return mul(x, b); }},
    {"div_", [](const Tensor& x, const Tensor& b) -> const Tensor& { return div_(x, b); },
     [](const Tensor& x, const Tensor& b) { return div(x, b); }},
    {"copy_", [](const Tensor& x, const Tensor& b) -> const Tensor& { return copy_(x, b); },
     [](const Tensor& x, const Tensor& b) { return clone(expand(b, x.shape())); }},
    {"add_", [](const Tensor& x, const Tensor&) -> const Tensor& { return add_(x, 2.5); },
     [](const Tensor& x, const Tensor&) { return add(x, 2.5); }},
    {"sub_", [](const Tensor& x, const Tensor&) -> const Tensor& { return sub_(x, 2.5); },
     [](const Tensor& x, const Tensor&) { return sub(x, 2.5); }},
    {"mul_", [](const Tensor& x, const Tensor&) -> const Tensor& { return mul_(x, 2.5); },
     [](const Tensor& x, const Tensor&) { return mul(x, 2.5); }},
    {"div_", [](const Tensor& x, const Tensor&) -> const Tensor& { return div_(x, 2.5); },
     [](const Tensor& x, const Tensor&) { return div(x, 2.5); }},
    {"fill_", [](const Tensor& x, const Tensor&) -> const Tensor& { return fill_(x, 2.5); },
     [](const Tensor& x, const Tensor&) { return full(x.shape(), 2.5, {.dtype = x.dtype()}); }},
    {"neg_", [](const Tensor& x, const Tensor&) -> const Tensor& { return neg_(x); },
     [](const Tensor& x, const Tensor&) { return neg(x); }},
    {"exp_", [](const Tensor& x, const Tensor&) -> const Tensor& { return exp_(x); },
     [](const Tensor& x, const Tensor&) { return exp(x); }},
    {"log_", [](const Tensor& x, const Tensor&) -> const Tensor& { return log_(x); },
     [](const Tensor& x, const Tensor&) { return log(x); }},
    {"sqrt_", [](const Tensor& x, const Tensor&) -> const Tensor& { return sqrt_(x); },
     [](const Tensor& x, const Tensor&) { return sqrt(x); }},
    {"relu_", [](const Tensor& x, const Tensor&) -> const Tensor& { return relu_(x); },
     [](const Tensor& x, const Tensor&) { return relu(x); }},
    {"gelu_", [](const Tensor& x, const Tensor&) -> const Tensor& { return gelu_(x); },
     [](const Tensor& x, const Tensor&) { return gelu(x); }},
    {"tanh_", [](const Tensor& x, const Tensor&) -> const Tensor& { return tanh_(x); },
     [](const Tensor& x, const Tensor&) { return tanh(x); }},
    {"sigmoid_", [](const Tensor& x, const Tensor&) -> const Tensor& { return sigmoid_(x); },
     [](const Tensor& x, const Tensor&) { return sigmoid(x); }},
};

Tensor positive(const Shape& shape, DType dtype) {
  core::manual_seed(3);
  return uniform(shape, {.low = 0.2, .high = 2, .dtype = dtype});
}

TEST(InPlace, GivesWhatTheOpGives) {
  for (const InPlace& op : all_in_place) {
    for (const DType dtype : {DType::f32, DType::f64}) {
      for (const Shape& shape : {Shape{2, 3}, Shape{}, Shape{0, 3}, Shape{3, 33}}) {
        SCOPED_TRACE(op.name);
        const Tensor x = positive(shape, dtype);
        const Tensor b = positive(shape.rank() > 1 ? Shape{shape[1]} : Shape{}, dtype);
        const Tensor expected = op.value(x, b);
        EXPECT_TRUE(op.in_place(x, b).is_same(x));
        EXPECT_EQ(x.to_vector<double>(), expected.to_vector<double>());
      }
    }
  }
}

TEST(InPlace, WritesThroughAView) {
  for (const InPlace& op : all_in_place) {
    SCOPED_TRACE(op.name);
    const Tensor base = positive({4, 6}, DType::f64);
    const Tensor before = clone(base);
    const Tensor b = positive({3}, DType::f64);
    const Tensor part = slice(transpose(base), 1, 1, 4);
    const Tensor expected = op.value(clone(part), b);
    op.in_place(part, b);
    EXPECT_EQ(part.to_vector<double>(), expected.to_vector<double>());
    EXPECT_EQ(slice(base, 0, 0, 1).to_vector<double>(), slice(before, 0, 0, 1).to_vector<double>());
  }
}

TEST(InPlace, RefusesATensorThatNeedsAGradient) {
  for (const InPlace& op : all_in_place) {
    const Tensor x = require_grad(positive({3}, DType::f32));
    const Tensor b = positive({3}, DType::f32);
    try {
      op.in_place(x, b);
      ADD_FAILURE() << op.name;
    } catch (const UsageError& error) {
      EXPECT_NE(error.problem().find(op.name), std::string::npos) << error.problem();
    }
    const NoGrad no_grad;
    EXPECT_NO_THROW(op.in_place(x, b)) << op.name;
  }
}

TEST(InPlace, RefusesASourceThatNeedsAGradient) {
  const Tensor x = positive({3}, DType::f32);
  const Tensor b = require_grad(positive({3}, DType::f32));
  const auto error = tests::failure_of<UsageError>([&] { add_(x, b); });
  EXPECT_EQ(error.problem(), "add_: b needs a gradient, but add_ has none for it");
  EXPECT_EQ(error.fix(), "pass b.detach()");
}

TEST(InPlace, IsNoticedByATapeThatSavedTheTensor) {
  const Tensor w = require_grad(positive({3}, DType::f64));
  const Tensor x = positive({3}, DType::f64);
  const Tensor y = sum(mul(w, x));
  mul_(x, 2);
  EXPECT_THAT(
      tests::message_of<UsageError>([&] { backward(y); }),
      testing::HasSubstr("backward of mul: a tensor of shape [3] that it saved was changed"));
}

TEST(InPlace, DoesNotDisturbATapeThatSavedNothing) {
  const Tensor w = require_grad(positive({3}, DType::f64));
  const Tensor x = positive({3}, DType::f64);
  const Tensor y = sum(add(w, x));
  mul_(x, 2);
  backward(y);
  EXPECT_EQ(gradient(w).to_vector<double>(), (std::vector<double>{1, 1, 1}));
}

TEST(InPlace, ReadsAnOverlappingSourceBeforeWriting) {
  const Tensor x = arange(0, 100, 1, {.dtype = DType::f64});
  copy_(slice(x, 0, 1, 100), slice(x, 0, 0, 99));
  EXPECT_EQ(x.to_vector<double>()[99], 98);
  const Tensor square = reshape(arange(0, 9, 1, {.dtype = DType::f64}), {3, 3});
  add_(square, transpose(square));
  EXPECT_EQ(square.to_vector<double>(), (std::vector<double>{0, 4, 8, 4, 8, 12, 8, 12, 16}));
}

TEST(InPlace, RefusesATargetWhoseElementsShareMemory) {
  const auto error = tests::failure_of<UsageError>([] { relu_(expand(zeros({3, 1}), {3, 4})); });
  EXPECT_EQ(error.problem(),
            "relu_: x has shape [3, 4] with strides [1, 0]: its elements share memory");
  EXPECT_EQ(error.fix(), "write to a copy: clone(x)");
}

TEST(InPlace, RefusesASourceThatDoesNotFit) {
  const auto error = tests::failure_of<ShapeError>([] { add_(zeros({3}), zeros({2, 3})); });
  EXPECT_EQ(error.problem(), "add_: b of shape [2, 3] does not broadcast to x of shape [3]");
}

}  // namespace
}  // namespace lockstep
