#include "lockstep/tensor/create.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "lockstep/base/error.h"
#include "tests/support/failure.h"

namespace lockstep {
namespace {

using testing::Each;
using testing::HasSubstr;
using tests::failure_of;

TEST(Create, FillsEveryDType) {
  for (const DType dtype : all_dtypes) {
    EXPECT_THAT(zeros({3, 2}, {.dtype = dtype}).to_vector(), Each(0)) << name_of(dtype);
    EXPECT_THAT(ones({3, 2}, {.dtype = dtype}).to_vector(), Each(1)) << name_of(dtype);
    EXPECT_EQ(full({3}, 1, {.dtype = dtype}).dtype(), dtype);
  }
}

TEST(Create, MakesTensorsWithoutElements) {
  EXPECT_EQ(zeros({0, 3}).elements(), 0);
  EXPECT_TRUE(empty({2, 0, 3}).is_contiguous());
  EXPECT_EQ(tensor({}, {0, 2}).shape(), (Shape{0, 2}));
}

TEST(Create, TakesValuesInRowMajorOrder) {
  const Tensor x = tensor({1, 2, 3, 4, 5, 6}, {2, 3}, {.dtype = DType::i32});
  EXPECT_EQ(x.at({1, 0}), 4);
  EXPECT_EQ(tensor({1, 2}).shape(), Shape{2});
}

TEST(Create, AlignsToCacheLines) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(empty({i * 7 + 1}).view().data) % 64, 0U);
  }
}

TEST(Arange, StopsBelowItsEnd) {
  EXPECT_EQ(arange(0, 3).to_vector(), (std::vector<float>{0, 1, 2}));
  EXPECT_EQ(arange(1, 2, 0.25).to_vector(), (std::vector<float>{1, 1.25, 1.5, 1.75}));
  EXPECT_EQ(arange(3, 0, -2).to_vector(), (std::vector<float>{3, 1}));
  EXPECT_EQ(arange(3, 0).elements(), 0);
}

TEST(Arange, RefusesAStepOfZeroAndAnEndlessRange) {
  const auto step = failure_of<UsageError>([] { arange(0, 1, 0); });
  EXPECT_EQ(step.problem(), "arange: step is 0");
  EXPECT_EQ(step.fix(), "give a positive or negative step");
  const auto endless = failure_of<UsageError>([] { arange(0, HUGE_VAL); });
  EXPECT_EQ(endless.problem(), "arange: from 0 to inf");
  EXPECT_EQ(endless.fix(), "give a finite begin, end and step");
}

TEST(Create, RefusesShapesThatNoMemoryHolds) {
  for (const Shape& shape : {Shape{std::int64_t{1} << 62}, Shape{1LL << 33, 1LL << 31},
                             Shape{0, 1LL << 40, 1LL << 40}}) {
    const auto error = failure_of<ShapeError>([&] { zeros(shape); });
    EXPECT_EQ(error.problem(), "empty: shape " + to_string(shape) + " is larger than any memory");
    EXPECT_EQ(error.fix(), "give smaller sizes");
  }
}

TEST(Create, RefusesNegativeSizesAndWrongNumbersOfValues) {
  EXPECT_THAT(failure_of<ShapeError>([] {
                empty({2, -1});
              }).problem(),
              HasSubstr("shape [2, -1] has a negative size"));
  EXPECT_THAT(failure_of<ShapeError>([] {
                tensor({1, 2, 3}, {2, 2});
              }).problem(),
              HasSubstr("3 values for shape [2, 2]"));
}

}  // namespace
}  // namespace lockstep
