#include "lockstep/data/transform.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "lockstep/base/error.h"
#include "lockstep/tensor/create.h"
#include "tests/support/failure.h"

namespace lockstep::data {
namespace {

using testing::HasSubstr;
using tests::failure_of;

Tensor applied(const Transform& transform, const Tensor& x, const core::Words& random = {}) {
  Tensor result = empty(transform->output(x.meta()));
  transform->apply(x.view(), result.view(), random);
  return result;
}

TEST(Normalize, ScalesBytesToOneThenStandardises) {
  const Tensor x = tensor({0, 51, 255}, {1, 3, 1}, {.dtype = DType::u8});
  const auto values = applied(normalize({0.2F}, {0.4F}), x).to_vector();
  EXPECT_FLOAT_EQ(values[0], -0.5F);
  EXPECT_NEAR(values[1], 0, 1e-7);
  EXPECT_FLOAT_EQ(values[2], 2);
}

TEST(Normalize, TakesOneMeanForEachChannel) {
  const Tensor x = tensor({1, 2, 3, 4, 5, 6}, {1, 2, 3});
  const auto values = applied(normalize({1, 2, 3}, {1, 2, 3}), x).to_vector();
  EXPECT_EQ(values, (std::vector<float>{0, 0, 0, 3, 1.5F, 1}));
}

TEST(Normalize, LeavesSignedBytesUnscaled) {
  const Tensor x = tensor({-3, 7}, {.dtype = DType::i8});
  EXPECT_EQ(applied(normalize({1}, {2}), x).to_vector(), (std::vector<float>{-2, 3}));
}

TEST(Normalize, RefusesOtherNumbersOfChannelsAndTypes) {
  const auto shape = failure_of<ShapeError>([] {
    normalize({1, 2}, {1, 2})->output({{4, 4, 3}, DType::u8, {}});
  });
  EXPECT_THAT(shape.problem(), HasSubstr("2 means for samples u8 [4, 4, 3]"));
  const auto dtype = failure_of<DTypeError>([] {
    normalize({1}, {1})->output({{4}, DType::i64, {}});
  });
  EXPECT_EQ(dtype.problem(), "normalize: samples of i64");
  EXPECT_EQ(dtype.fix(), "give samples of u8, i8 or f32");
}

TEST(Normalize, RefusesDeviationsThatDoNotFit) {
  const auto fewer = failure_of<UsageError>([] { normalize({1, 2}, {1}); });
  EXPECT_EQ(fewer.problem(), "normalize: 2 means and 1 deviations");
  EXPECT_THAT(fewer.fix(), HasSubstr("give one of each"));
  const auto zero = failure_of<UsageError>([] { normalize({1}, {0}); });
  EXPECT_THAT(zero.problem(), HasSubstr("normalize: a deviation of 0.0"));
  EXPECT_EQ(zero.fix(), "give deviations above 0");
}

TEST(RandomCrop, CutsAWindowOutOfThePaddedImage) {
  const std::int64_t height = 5;
  const std::int64_t width = 4;
  const CropOptions options{.height = 3, .width = 6, .padding = 2};
  Tensor x = arange(1, height * width * 2 + 1);
  x = Tensor(x.storage(), 0, {height, width, 2}, contiguous_strides({height, width, 2}), x.dtype());
  std::set<std::pair<std::int64_t, std::int64_t>> seen;
  std::mt19937 numbers(8);
  for (int i = 0; i < 400; ++i) {
    const core::Words random{static_cast<std::uint32_t>(numbers()),
                             static_cast<std::uint32_t>(numbers())};
    const Tensor y = applied(random_crop(options), x, random);
    ASSERT_EQ(y.shape(), (Shape{3, 6, 2}));
    const std::int64_t top = std::int64_t{random[0]} * 7 / (std::int64_t{1} << 32) - 2;
    const std::int64_t left = std::int64_t{random[1]} * 3 / (std::int64_t{1} << 32) - 2;
    seen.insert({top, left});
    for (std::int64_t r = 0; r < 3; ++r) {
      for (std::int64_t c = 0; c < 6; ++c) {
        const bool inside = top + r >= 0 && top + r < height && left + c >= 0 && left + c < width;
        for (std::int64_t k = 0; k < 2; ++k) {
          ASSERT_EQ(y.at({r, c, k}), inside ? x.at({top + r, left + c, k}) : 0);
        }
      }
    }
  }
  EXPECT_EQ(seen.size(), 21U);
}

TEST(RandomCrop, RefusesAWindowLargerThanTheImage) {
  const auto crop = random_crop({.height = 33, .width = 30, .padding = 2});
  const auto error = failure_of<ShapeError>([&] { crop->output({{28, 28, 1}, DType::u8, {}}); });
  EXPECT_THAT(error.problem(), HasSubstr("33 x 30 from samples u8 [28, 28, 1] padded by 2"));
  EXPECT_EQ(error.fix(), "crop less, or pad more");
  const auto flat = failure_of<ShapeError>([&] { crop->output({{28, 28}, DType::u8, {}}); });
  EXPECT_EQ(flat.problem(), "random_crop: a sample is u8 [28, 28]");
  EXPECT_EQ(flat.fix(), "give images [height, width, channels]");
  const auto empty_window = failure_of<UsageError>([] { random_crop({}); });
  EXPECT_EQ(empty_window.problem(), "random_crop: height 0, width 0, padding 0");
  EXPECT_EQ(empty_window.fix(), "give a height and width above 0 and a padding of 0 or more");
}

TEST(RandomFlip, MirrorsHalfOfTheImages) {
  const Tensor x = tensor({1, 2, 3, 4, 5, 6, 7, 8}, {1, 4, 2}, {.dtype = DType::i32});
  EXPECT_EQ(applied(random_flip(), x, {0x7fffffffU}).to_vector(), x.to_vector());
  EXPECT_EQ(applied(random_flip(), x, {0x80000000U}).to_vector(),
            (std::vector<float>{7, 8, 5, 6, 3, 4, 1, 2}));
}

}  // namespace
}  // namespace lockstep::data
