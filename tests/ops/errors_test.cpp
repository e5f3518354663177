// The messages that a user's mistakes get, word for word.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "lockstep/base/error.h"
#include "lockstep/ops/conv.h"
#include "lockstep/ops/index.h"
#include "lockstep/ops/linalg.h"
#include "lockstep/ops/norm.h"
#include "lockstep/ops/pointwise.h"
#include "lockstep/ops/random.h"
#include "lockstep/ops/reduce.h"
#include "lockstep/ops/rows.h"
#include "lockstep/ops/views.h"
#include "lockstep/tensor/create.h"
#include "tests/support/failure.h"

namespace lockstep {
namespace {

const TensorOptions i64 = {.dtype = DType::i64};
const TensorOptions boolean = {.dtype = DType::boolean};

struct Mistake {
  std::function<void()> make;
  const char* problem;
  const char* fix;
};

template <class E> void expect(const std::vector<Mistake>& mistakes) {
  for (const Mistake& mistake : mistakes) {
    try {
      mistake.make();
      ADD_FAILURE() << "accepted: " << mistake.problem;
    } catch (const E& error) {
      EXPECT_EQ(error.problem(), mistake.problem);
      EXPECT_EQ(error.fix(), mistake.fix);
    }
  }
}

TEST(OpErrors, NameShapesThatDoNotFit) {
  expect<ShapeError>({
      {[] {
         add(zeros({2, 3}), zeros({2}));
       },
       "add: shapes [2, 3] and [2] do not broadcast",
       "make the sizes of each axis, counted from the last, equal or 1"},
      {[] {
         matmul(zeros({2, 3}), zeros({4, 5}));
       },
       "matmul: shapes [2, 3] and [4, 5]", "give matrices [m, k] and [k, n], or vectors [k]"},
      {[] {
         matmul(zeros({2, 2, 3}), zeros({4, 3, 5}));
       },
       "matmul: shapes [2] and [4] do not broadcast",
       "make the sizes of each axis, counted from the last, equal or 1"},
      {[] {
         linear(zeros({2, 3}), zeros({5, 4}));
       },
       "linear: x has shape [2, 3], weight [5, 4]: the last sizes differ",
       "give x 4 features, or the weight [out, in] as many"},
      {[] {
         linear(zeros({2, 3}), zeros({5, 3}), zeros({3}));
       },
       "linear: bias has shape [3] but must be [5]", "give bias the shape [5]"},
      {[] {
         linear(zeros({2, 3}), zeros({5}));
       },
       "linear: weight has shape [5] but must be [out, in]", "reshape weight to 2 axes"},
      {[] {
         conv2d(zeros({2, 4, 4}), zeros({1, 3, 3, 4}));
       },
       "conv2d: x has shape [2, 4, 4] but must be [n, h, w, c]", "reshape x to 4 axes"},
      {[] {
         conv2d(zeros({2, 3, 8, 8}), zeros({1, 3, 3, 3}));
       },
       "conv2d: x has shape [2, 3, 8, 8], weight [1, 3, 3, 3]: the channels differ",
       "lay x out as [n, h, w, c] and the weight as [out, kh, kw, c]"},
      {[] {
         conv2d(zeros({1, 2, 2, 1}), zeros({1, 3, 3, 1}));
       },
       "conv2d: a window of 3 x 3 on images of 2 x 2 padded by 0 x 0",
       "use a smaller window or more padding"},
      {[] {
         max_pool2d(zeros({1, 1, 1, 1}));
       },
       "max_pool2d: a window of 2 x 2 on images of 1 x 1 padded by 0 x 0",
       "use a smaller window or more padding"},
      {[] {
         avg_pool2d(zeros({4, 4}));
       },
       "avg_pool2d: x has shape [4, 4] but must be [n, h, w, c]", "reshape x to 4 axes"},
      {[] {
         cross_entropy(zeros({2, 3}), zeros({3}, i64));
       },
       "cross_entropy: targets has shape [3] but must be [2]", "give targets the shape [2]"},
      {[] {
         cross_entropy(zeros({2, 3, 4}), zeros({2}, i64));
       },
       "cross_entropy: logits has shape [2, 3, 4] but must be [n, classes]",
       "reshape logits to 2 axes"},
      {[] {
         mse(zeros({2, 3}), zeros({3}));
       },
       "mse: target has shape [3] but must be [2, 3]", "give target the shape [2, 3]"},
      {[] {
         batch_norm(zeros({2, 3}), zeros({2}), zeros({3}), zeros({3}), zeros({3}));
       },
       "batch_norm: weight has shape [2] but must be [3]", "give weight the shape [3]"},
      {[] {
         layer_norm(zeros({2, 3}), zeros({2}));
       },
       "layer_norm: weight has shape [2] but must be [3]", "give weight the shape [3]"},
      {[] { layer_norm(zeros({})); }, "layer_norm: x has shape [] but must be [..., channels]",
       "give x an axis of features"},
      {[] {
         conv2d(zeros({1, 4, 4, 4}), zeros({4, 3, 3, 3}), {}, {.groups = 2});
       },
       "conv2d: x has shape [1, 4, 4, 4], weight [4, 3, 3, 3] in 2 groups: the channels differ",
       "lay the weight out as [out, kh, kw, c / groups]"},
      {[] {
         conv_transpose2d(zeros({1, 4, 4, 2}), zeros({3, 3, 3, 1}));
       },
       "conv_transpose2d: x has shape [1, 4, 4, 2], weight [3, 3, 3, 1]: the channels differ",
       "lay x out as [n, h, w, c] and the weight as [c, kh, kw, out]"},
      {[] {
         conv_transpose2d(zeros({1, 1, 1, 2}), zeros({2, 3, 3, 1}), {}, {.padding = 2});
       },
       "conv_transpose2d: images [1, 1, 1, 2] become [1, -1, -1, 1]",
       "use less padding or a larger kernel"},
      {[] { batch_norm(zeros({3}), zeros({3}), zeros({3}), zeros({3}), zeros({3})); },
       "batch_norm: x has shape [3] but must be [..., channels]",
       "give x an axis of samples in front"},
      {[] {
         softmax(zeros({2, 3}), 2);
       },
       "softmax: axis 2 of a tensor with 2 axes", "use an axis from -2 to 1"},
      {[] {
         sum(zeros({2, 3}), 5);
       },
       "sum: axis 5 of a tensor with 2 axes", "use an axis from -2 to 1"},
      {[] {
         sum(zeros({2, 3}), {1, -1});
       },
       "sum: axis -1 is named twice", "name each axis once"},
      {[] {
         max(zeros({0, 3}));
       },
       "max: of no elements, shape [0, 3]", "reduce over axes with at least one element"},
      {[] {
         argmax(zeros({0, 3}), 0);
       },
       "argmax: of no elements, shape [0, 3]", "reduce over axes with at least one element"},
      {[] {
         squeeze(zeros({2, 3}), 0);
       },
       "squeeze: axis 0 of shape [2, 3] has size 2", "name an axis of size 1"},
      {[] {
         flatten(zeros({2, 3}), 1, 0);
       },
       "flatten: axes 1 to 0 of shape [2, 3]", "name the first axis before the last"},
      {[] {
         cat({zeros({2, 3}), zeros({2, 4})});
       },
       "cat: tensor 1 has shape [2, 4], tensor 0 [2, 3]: they differ beside axis 0",
       "make all sizes but that of the axis equal"},
      {[] {
         pad2d(zeros({4, 4}), {});
       },
       "pad2d: x has shape [4, 4] but must be [n, h, w, c]", "reshape x to 4 axes"},
      {[] {
         reshape(zeros({2, 3}), {4, -1});
       },
       "reshape: shape [2, 3] to [4, -1]", "the new shape needs 6 elements"},
      {[] {
         expand(zeros({2, 3}), {4, 3});
       },
       "expand: shape [2, 3] to [4, 3]",
       "only axes of size 1, or new ones in front, can be expanded"},
      {[] {
         permute(zeros({2, 3}), {0, 0});
       },
       "permute: axes [0, 0] for shape [2, 3]", "name each axis once"},
      {[] { slice(zeros({4}), 0, 0, 4, 0); }, "slice: step 0", "use a step of 1 or more"},
      {[] {
         sum(zeros({2}), {0, 0, 0, 0, 0, 0, 0});
       },
       "axes: 7 of them, a tensor has at most 6", "name each axis once"},
      {[] {
         copy_(zeros({2}), zeros({2, 2}));
       },
       "copy_: from of shape [2, 2] does not broadcast to x of shape [2]",
       "write to a larger tensor"},
      {[] { gather(zeros({}), zeros({2}, i64)); },
       "gather: a table of shape [] by an index of shape [2]",
       "give the table at least 1 axis, and the result at most 6"},
  });
}

TEST(OpErrors, NameDTypesThatAreNotTaken) {
  expect<DTypeError>({
      {[] { add(zeros({2}), zeros({2}, {.dtype = DType::f64})); },
       "add: b is f64 where the first tensor is f32", "convert one of them: cast(b, DType::f32)"},
      {[] { add(zeros({2}, boolean), zeros({2}, boolean)); }, "add: a is bool but must be a number",
       "convert it: cast(a, DType::f32)"},
      {[] { exp(zeros({2}, i64)); }, "exp: x is i64 but must be floating point",
       "convert it: cast(x, DType::f32)"},
      {[] { mul(zeros({2}, i64), 0.5); }, "mul: the number 0.5 does not fit the tensor's dtype i64",
       "convert the tensor first: cast(x, DType::f32)"},
      {[] { add(zeros({2}, {.dtype = DType::u8}), 300); },
       "add: the number 300 does not fit the tensor's dtype u8",
       "convert the tensor first: cast(x, DType::f32)"},
      {[] { div(zeros({2}, i64), 2); }, "div: a is i64 but must be floating point",
       "convert it: cast(a, DType::f32)"},
      {[] { mean(zeros({2}, i64)); }, "mean: x is i64 but must be floating point",
       "convert it: cast(x, DType::f32)"},
      {[] {
         cross_entropy(zeros({2, 3}), zeros({2}));
       },
       "cross_entropy: targets is f32 but must be i64", "convert it: cast(targets, DType::i64)"},
      {[] { uniform({2}, {.dtype = DType::i32}); },
       "uniform: the result is i32 but must be floating point",
       "convert it: cast(the result, DType::f32)"},
  });
}

TEST(OpErrors, NameValuesThatMakeNoSense) {
  expect<UsageError>({
      {[] {
         cross_entropy(zeros({3, 10}), tensor({1, 2, 10}, i64));
       },
       "cross_entropy: the target of sample 2 is 10, outside 0 to 9", "use numbers from 0 to 9"},
      {[] {
         cross_entropy(zeros({1, 10}), tensor({-1}, i64));
       },
       "cross_entropy: the target of sample 0 is -1, outside 0 to 9", "use numbers from 0 to 9"},
      {[] {
         gather(zeros({4, 2}), tensor({0, 4}, i64));
       },
       "gather: index 1 is 4, outside 0 to 3", "use numbers from 0 to 3"},
      {[] { one_hot(tensor({3}, i64), 3); }, "one_hot: index 0 is 3, outside 0 to 2",
       "use numbers from 0 to 2"},
      {[] { one_hot(tensor({3}, i64), 0); }, "one_hot: 0 classes", "give at least 1 class"},
      {[] { cat({}); }, "cat: no tensors", "give at least one tensor"},
      {[] { relu(Tensor()); }, "relu: the tensor is undefined",
       "create it first; a default-constructed tensor has no elements"},
      {[] {
         conv2d(zeros({1, 4, 4, 1}), zeros({1, 3, 3, 1}), {}, {.stride = 0});
       },
       "conv2d: window 3 x 3, stride 0 x 0, padding 0 x 0",
       "use a window and a stride of at least 1 and a padding of at least 0"},
      {[] {
         max_pool2d(zeros({1, 4, 4, 1}), {.padding = 2});
       },
       "max_pool2d: padding 2 x 2 for a window of 2 x 2", "pad by at most half the window"},
      {[] {
         batch_norm(zeros({2, 3}), zeros({3}), zeros({3}), zeros({3}), zeros({3}),
                    {.momentum = 2, .epsilon = -1});
       },
       "batch_norm: epsilon -1, momentum 2",
       "use an epsilon of at least 0 and a momentum from 0 to 1"},
      {[] {
         pad2d(zeros({1, 2, 2, 1}), {.before = {-1, 0}});
       },
       "pad2d: -1 x 0 before, 0 x 0 after",
       "give margins of at least 0; slice() takes rows and columns off"},
      {[] {
         conv2d(zeros({1, 4, 4, 1}), zeros({1, 2, 2, 1}), {}, {.stride = 2, .dilation = 2});
       },
       "conv2d: dilation 2 x 2, stride 2 x 2",
       "use a dilation of at least 1, and with one above 1 a stride of 1"},
      {[] {
         conv2d(zeros({1, 4, 4, 3}), zeros({4, 1, 1, 1}), {}, {.groups = 3});
       },
       "conv2d: 3 groups for 4 output channels",
       "use a number of groups that divides the input's and the output's channels"},
      {[] {
         conv_transpose2d(zeros({1, 4, 4, 1}), zeros({1, 2, 2, 1}), {},
                          {.stride = 2, .padding = {0, -2}});
       },
       "conv_transpose2d: padding 0 x -2 after, stride 2 x 2",
       "add less than a stride below and on the right"},
      {[] { clamp(zeros({2}), 1, 0); }, "clamp: from 1 to 0", "let low be at most high"},
      {[] { uniform({2}, {.low = 1, .high = 1}); }, "uniform: from 1 to 1",
       "let low be below high"},
      {[] { normal({2}, {.deviation = -1}); }, "normal: a deviation of -1",
       "use one of at least 0"},
  });
}

TEST(OpErrors, SayWhereADeviceIsMissing) {
  const auto error = tests::failure_of<DeviceError>([] { to(zeros({2}), {DeviceType::cuda, 99}); });
  EXPECT_THAT(error.problem(), ::testing::StartsWith("cuda:99 "));
  EXPECT_THAT(error.fix(), ::testing::StartsWith("use "));
}

}  // namespace
}  // namespace lockstep
