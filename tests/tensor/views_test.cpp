#include "lockstep/tensor/views.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <random>

#include "lockstep/base/error.h"
#include "lockstep/tensor/create.h"
#include "tests/support/failure.h"
#include "tests/support/other_device.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using tests::failure_of;
using Index = std::array<std::int64_t, 3>;

// A tensor [a, b, c] in which every element has a value of its own.
Tensor numbered(const Shape& shape) {
  return reshaped_view(arange(0, static_cast<double>(shape.elements())), shape);
}

Shape random_shape(std::mt19937& random) {
  Shape shape;
  for (int axis = 0; axis < 3; ++axis) shape.append(static_cast<std::int64_t>(random() % 5));
  return shape;
}

void for_each_index(const Shape& shape, const std::function<void(Index)>& body) {
  for (std::int64_t i = 0; i < shape[0]; ++i) {
    for (std::int64_t j = 0; j < shape[1]; ++j) {
      for (std::int64_t k = 0; k < shape[2]; ++k) body({i, j, k});
    }
  }
}

double at(const Tensor& x, const Index& index) { return x.at({index[0], index[1], index[2]}); }

TEST(Views, PermuteMovesEveryElement) {
  std::mt19937 random(1);
  for (int round = 0; round < 50; ++round) {
    const Tensor x = numbered(random_shape(random));
    std::array<std::int64_t, 3> axes{0, 1, 2};
    std::shuffle(axes.begin(), axes.end(), random);
    const Tensor y = permuted_view(x, {axes[0], axes[1], axes[2] - (round % 2) * 3});
    for_each_index(y.shape(), [&](Index index) {
      Index from{};
      for (std::size_t i = 0; i < 3; ++i) from[static_cast<std::size_t>(axes[i])] = index[i];
      ASSERT_EQ(at(y, index), at(x, from));
    });
    EXPECT_EQ(copied(y).to_vector(), y.to_vector());
  }
}

TEST(Views, SliceTakesEveryStepThElement) {
  std::mt19937 random(2);
  for (int round = 0; round < 200; ++round) {
    const Tensor x = numbered(random_shape(random));
    const int axis = static_cast<int>(random() % 3);
    const std::int64_t size = x.shape()[axis];
    const auto begin = static_cast<std::int64_t>(random() % 11) - 5;
    const auto end = static_cast<std::int64_t>(random() % 11) - 5;
    const auto step = static_cast<std::int64_t>(random() % 3) + 1;
    std::vector<std::int64_t> wanted;  // Python's rule
    const auto bound = [&](std::int64_t i) {
      return std::clamp<std::int64_t>(i < 0 ? i + size : i, 0, size);
    };
    for (std::int64_t i = bound(begin); i < bound(end); i += step) wanted.push_back(i);
    const Tensor y = sliced_view(x, axis, begin, end, step);
    ASSERT_EQ(y.shape()[axis], static_cast<std::int64_t>(wanted.size()));
    for_each_index(y.shape(), [&](Index index) {
      Index from = index;
      auto& place = from[static_cast<std::size_t>(axis)];
      place = wanted[static_cast<std::size_t>(place)];
      ASSERT_EQ(at(y, index), at(x, from));
    });
  }
}

TEST(Views, ExpandRepeatsWithoutCopying) {
  const Tensor x = tensor({1, 2}, {2, 1});
  const Tensor y = expanded_view(x, {3, 2, 2});
  EXPECT_EQ(y.to_vector<int>(), (std::vector{1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 2, 2}));
  EXPECT_EQ(y.view().data, x.view().data);
  EXPECT_EQ(copied(y).to_vector(), y.to_vector());
}

TEST(Views, ReshapeInfersOneSize) {
  const Tensor x = numbered({2, 3, 4});
  EXPECT_EQ(reshaped_view(x, {-1, 4}).shape(), (Shape{6, 4}));
  EXPECT_EQ(reshaped_view(x, {24}).view().data, x.view().data);
  EXPECT_EQ(reshaped_view(zeros({2, 0, 3}), {0, 7}).shape(), (Shape{0, 7}));
}

TEST(Views, ShareTheirElements) {
  const Tensor x = zeros({4});
  fill_elements(sliced_view(x, 0, 1, 4, 2), 5);
  EXPECT_EQ(x.to_vector<int>(), (std::vector{0, 5, 0, 5}));
}

TEST(Views, SayWhatDoesNotFit) {
  const Tensor x = numbered({2, 3, 4});
  const auto reshaped = failure_of<ShapeError>([&] { reshaped_view(x, {5, -1}); });
  EXPECT_EQ(reshaped.problem(), "reshape: shape [2, 3, 4] to [5, -1]");
  EXPECT_EQ(reshaped.fix(), "the new shape needs 24 elements");
  EXPECT_THAT(failure_of<ShapeError>([&] {
                reshaped_view(permuted_view(x, {2, 1, 0}), {24});
              }).fix(),
              HasSubstr("contiguous()"));
  EXPECT_THAT(failure_of<ShapeError>([&] {
                permuted_view(x, {0, 0, 1});
              }).problem(),
              HasSubstr("permute: axes [0, 0, 1] for shape [2, 3, 4]"));
  EXPECT_THAT(failure_of<ShapeError>([&] {
                permuted_view(x, {0, 1});
              }).problem(),
              HasSubstr("permute: axes [0, 1] for shape [2, 3, 4]"));
  EXPECT_EQ(failure_of<ShapeError>([&] { sliced_view(x, 0, 0, 1, 0); }).problem(), "slice: step 0");
  EXPECT_EQ(failure_of<ShapeError>([&] { sliced_view(x, 3, 0, 1); }).problem(),
            "slice: axis 3 of a tensor with 3 axes");
  EXPECT_THAT(failure_of<ShapeError>([&] {
                expanded_view(x, {2, 3, 8});
              }).problem(),
              HasSubstr("expand: shape [2, 3, 4] to [2, 3, 8]"));
}

TEST(CopyElements, ConvertsBetweenAllDTypes) {
  for (const DType from : all_dtypes) {
    for (const DType to : all_dtypes) {
      const Tensor x = tensor({0, 1, 0, 1}, {.dtype = from});
      const Tensor y = copied(x, to);
      EXPECT_EQ(y.dtype(), to);
      EXPECT_EQ(y.to_vector<int>(), (std::vector{0, 1, 0, 1})) << name_of(from) << name_of(to);
    }
  }
}

TEST(CopyElements, BroadcastsAndCountsAsAMutation) {
  const Tensor to = zeros({2, 3});
  const auto before = to.storage()->version();
  copy_elements(tensor({1, 2, 3}), to);
  EXPECT_EQ(to.to_vector<int>(), (std::vector{1, 2, 3, 1, 2, 3}));
  EXPECT_GT(to.storage()->version(), before);
}

TEST(CopyElements, SaysWhatDoesNotFit) {
  const Tensor to = zeros({2, 3});
  EXPECT_EQ(failure_of<ShapeError>([&] { copy_elements(zeros({2}), to); }).problem(),
            "expand: shape [2] to [2, 3]");
  const Tensor far = tests::on_other_device(to);
  const auto error = failure_of<DeviceError>([&] { copy_elements(far, to); });
  EXPECT_EQ(error.problem(), "copy: from cuda:1 to cpu");
  EXPECT_EQ(error.fix(), "use copied_to(x, device)");
}

}  // namespace
}  // namespace lockstep
