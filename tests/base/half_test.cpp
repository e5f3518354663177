#include "lockstep/base/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace lockstep {
namespace {

constexpr int all_patterns = 1 << 16;

template <class H> H of_bits(int bits) {
  H h;
  h.bits = static_cast<std::uint16_t>(bits);
  return h;
}

// From the definition: sign, exponent, fraction.
double defined_value(int bits, int fraction_bits, int bias) {
  const int exponent_bits = 15 - fraction_bits;
  const int fraction = bits & ((1 << fraction_bits) - 1);
  const int exponent = bits >> fraction_bits & ((1 << exponent_bits) - 1);
  const double sign = bits >> 15 != 0 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) {
    return fraction != 0 ? std::nan("") : sign * std::numeric_limits<double>::infinity();
  }
  const int whole = exponent == 0 ? fraction : fraction | 1 << fraction_bits;
  return sign * std::ldexp(whole, std::max(exponent, 1) - bias - fraction_bits);
}

template <class H> void expect_every_value(int fraction_bits, int bias) {
  for (int bits = 0; bits < all_patterns; ++bits) {
    const double expected = defined_value(bits, fraction_bits, bias);
    const auto value = static_cast<float>(of_bits<H>(bits));
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(value)) << bits;
      ASSERT_TRUE(std::isnan(static_cast<float>(H(value)))) << bits;
    } else {
      ASSERT_EQ(value, expected) << bits;
      ASSERT_EQ(H(value).bits, bits) << "the way back, sign of zero included";
    }
  }
}

// Between neighbours a and b: just below the middle gives a, the middle the even one, above it b.
template <class H> void expect_rounding(int infinity) {
  for (int bits = 0; bits < infinity; ++bits) {
    const double a = static_cast<float>(of_bits<H>(bits));
    // The neighbour of the largest number is where the next one would be.
    const double b = bits + 1 == infinity ? 2 * a - double{static_cast<float>(of_bits<H>(bits - 1))}
                                          : double{static_cast<float>(of_bits<H>(bits + 1))};
    const auto middle = static_cast<float>((a + b) / 2);
    ASSERT_EQ(double{middle}, (a + b) / 2);
    const float below = std::nextafter(middle, 0.0F);
    const float above = std::nextafter(middle, std::numeric_limits<float>::infinity());
    for (const int sign : {0, 0x8000}) {
      const float s = sign != 0 ? -1.0F : 1.0F;
      ASSERT_EQ(H(s * below).bits, bits | sign);
      ASSERT_EQ(H(s * middle).bits, (bits + bits % 2) | sign);
      ASSERT_EQ(H(s * above).bits, (bits + 1) | sign);
    }
  }
}

TEST(Float16, HoldsEveryValueExactly) { expect_every_value<float16>(10, 15); }

TEST(Float16, RoundsToTheNearestAndTiesToEven) { expect_rounding<float16>(0x7c00); }

TEST(Float16, TurnsLargeNumbersIntoInfinity) {
  EXPECT_EQ(float16(65504.0F).bits, 0x7bff);
  EXPECT_EQ(float16(1e30F).bits, 0x7c00);
  EXPECT_EQ(float16(-std::numeric_limits<float>::infinity()).bits, 0xfc00);
  EXPECT_EQ(float16(1e-30F).bits, 0);
}

TEST(BFloat16, HoldsEveryValueExactly) { expect_every_value<bfloat16>(7, 127); }

// Beyond the largest bfloat16 there are no f32 neighbours of the middle, so the last one is left
// out.
TEST(BFloat16, RoundsToTheNearestAndTiesToEven) { expect_rounding<bfloat16>(0x7f7f); }

TEST(BFloat16, TurnsLargeNumbersIntoInfinity) {
  EXPECT_EQ(bfloat16(std::numeric_limits<float>::max()).bits, 0x7f80);
  EXPECT_EQ(bfloat16(-std::numeric_limits<float>::infinity()).bits, 0xff80);
}

}  // namespace
}  // namespace lockstep
