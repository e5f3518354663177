#include "lockstep/core/shape.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "lockstep/base/error.h"
#include "lockstep/core/view.h"
#include "tests/support/failure.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using tests::failure_of;

Shape random_shape(std::mt19937& random, int rank, int smallest) {
  Shape shape;
  for (int axis = 0; axis < rank; ++axis) {
    shape.append(smallest + static_cast<std::int64_t>(random() % 4));
  }
  return shape;
}

TEST(Shape, CountsElements) {
  EXPECT_EQ((Shape{}.elements()), 1);
  EXPECT_EQ((Shape{2, 3, 4}.elements()), 24);
  EXPECT_EQ((Shape{2, 0, 4}.elements()), 0);
}

TEST(Shape, PrintsLikeAList) {
  EXPECT_EQ(to_string(Shape{}), "[]");
  EXPECT_EQ(to_string(Shape{2, 3}), "[2, 3]");
}

TEST(Shape, DiffersByRankAndBySize) {
  EXPECT_EQ((Shape{2, 3}), (Shape{2, 3}));
  EXPECT_NE((Shape{2, 3}), (Shape{2, 3, 1}));
  EXPECT_NE((Shape{2, 3}), (Shape{3, 2}));
  EXPECT_EQ((Shape{2, 3, 4}.without(1)), (Shape{2, 4}));
}

TEST(Shape, RefusesASeventhAxis) {
  Shape shape{1, 1, 1, 1, 1, 1};
  const auto error = failure_of<ShapeError>([&] { shape.append(1); });
  EXPECT_THAT(error.problem(), HasSubstr("more than 6 axes"));
}

TEST(ContiguousStrides, CountElementsToTheNextIndex) {
  EXPECT_EQ(contiguous_strides({2, 3, 4}), (Shape{12, 4, 1}));
  EXPECT_EQ(contiguous_strides({}), Shape{});
}

TEST(View, IsContiguousWithContiguousStridesWhateverTheShape) {
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    const Shape sizes = random_shape(random, static_cast<int>(random() % 6), 0);
    EXPECT_TRUE((View{nullptr, DType::f32, sizes, contiguous_strides(sizes)}.is_contiguous()))
        << to_string(sizes);
  }
  EXPECT_FALSE((View{nullptr, DType::f32, {2, 3}, {1, 2}}.is_contiguous()));
  EXPECT_FALSE((View{nullptr, DType::f32, {2, 3}, {0, 1}}.is_contiguous()));
}

TEST(Broadcast, RepeatsAxesOfSizeOneAndMissingOnes) {
  EXPECT_EQ(broadcast("add", {2, 3}, {3}), (Shape{2, 3}));
  EXPECT_EQ(broadcast("add", {2, 1}, {1, 5}), (Shape{2, 5}));
  EXPECT_EQ(broadcast("add", {}, {4}), Shape{4});
  EXPECT_EQ(broadcast("add", {1, 3}, {0, 1}), (Shape{0, 3}));
}

TEST(Broadcast, IsSymmetricAndGivesBackItsOwnResult) {
  std::mt19937 random(2);
  for (int round = 0; round < 500; ++round) {
    const Shape whole = random_shape(random, 4, 2);
    Shape a = whole;
    Shape b;
    for (int axis = static_cast<int>(random() % 4); axis < 4; ++axis) {
      b.append(random() % 2 == 0 ? 1 : whole[axis]);
    }
    for (int axis = 0; axis < 4; ++axis) {
      const int in_b = axis - (4 - b.rank());
      if (in_b >= 0 && b[in_b] != 1 && random() % 2 == 0) a[axis] = 1;
    }
    EXPECT_EQ(broadcast("add", a, b), whole);
    EXPECT_EQ(broadcast("add", b, a), whole);
    EXPECT_EQ(broadcast("add", whole, b), whole);
  }
}

TEST(Broadcast, NamesTheOperationAndBothShapes) {
  const auto error = failure_of<ShapeError>([] { broadcast("mul", {2, 3}, {4}); });
  EXPECT_EQ(error.problem(), "mul: shapes [2, 3] and [4] do not broadcast");
  EXPECT_FALSE(error.fix().empty());
}

TEST(NormalizedAxis, CountsFromTheEndWhenNegative) {
  for (int axis = 0; axis < 3; ++axis) {
    EXPECT_EQ(normalized_axis("sum", axis, 3), axis);
    EXPECT_EQ(normalized_axis("sum", axis - 3, 3), axis);
  }
  const auto error = failure_of<ShapeError>([] { normalized_axis("sum", 3, 3); });
  EXPECT_EQ(error.problem(), "sum: axis 3 of a tensor with 3 axes");
  EXPECT_EQ(error.fix(), "use an axis from -3 to 2");
  EXPECT_EQ(failure_of<ShapeError>([] { normalized_axis("sum", -4, 3); }).problem(),
            "sum: axis -4 of a tensor with 3 axes");
}

}  // namespace
}  // namespace lockstep
