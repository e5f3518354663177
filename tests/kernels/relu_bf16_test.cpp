#include "kernels/cpu/relu_bf16.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/math/pointwise.h"

namespace lockstep::kernels::cpu {
namespace {

float number(std::uint32_t bits) {
  bfloat16 x;
  x.bits = static_cast<std::uint16_t>(bits);
  return static_cast<float>(x);
}

// Equal bits, where neither is NaN.
bool is_same(std::uint16_t got, float want) {
  const float value = number(got);
  if (std::isnan(want)) return std::isnan(value);
  return value == want && std::signbit(value) == std::signbit(want);
}

TEST(ReluBf16, IsTheSharedMathematicsOfEveryNumber) {
  for (std::uint32_t x = 0; x <= 0xffff; ++x) {
    const auto bits = static_cast<std::uint16_t>(x);
    ASSERT_TRUE(is_same(relu_bits(bits), math::Relu::value(number(x), math::Scalars{}))) << x;
  }
}

TEST(ReluBf16, HasTheSlopeOfTheSharedMathematics) {
  for (std::uint32_t y = 0; y <= 0xffff; ++y) {
    const float slope = math::Relu::slope(0.0F, number(y), math::Scalars{});
    for (const std::uint32_t g : {0x0000, 0x8000, 0x3f80, 0xbf81, 0x0001, 0x7f80, 0xff80, 0x7fc1}) {
      const std::uint16_t got =
          relu_slope_bits(static_cast<std::uint16_t>(g), static_cast<std::uint16_t>(y));
      ASSERT_TRUE(is_same(got, number(g) * slope)) << g << " " << y;
    }
  }
}

}  // namespace
}  // namespace lockstep::kernels::cpu
