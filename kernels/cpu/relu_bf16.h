// ReLU of bf16 and its slope on the bits alone, without a detour over f32: the elements are many,
// and convolutions of bf16 so fast that it would show.
#pragma once

#include <cstdint>

#include "kernels/cpu/simd.h"
#include "lockstep/base/half.h"

namespace lockstep::kernels::cpu {

inline constexpr std::uint16_t bf16_infinity = 0x7f80;
inline constexpr std::uint16_t bf16_sign = 0x8000;

// x < 0 ? 0 : x; NaN and -0 stay.
constexpr std::uint16_t relu_bits(std::uint16_t x) {
  const auto below_zero = static_cast<std::uint16_t>(x - (bf16_sign + 1));
  return below_zero < bf16_infinity ? std::uint16_t{0} : x;
}

// g * (y > 0 ? 1 : 0), which is NaN where g is not finite and y not positive.
constexpr std::uint16_t relu_slope_bits(std::uint16_t g, std::uint16_t y) {
  const bool is_positive = static_cast<std::uint16_t>(y - 1) < bf16_infinity;
  const bool is_finite = (g & bf16_infinity) != bf16_infinity;
  const std::uint16_t stopped =
      is_finite ? static_cast<std::uint16_t>(g & bf16_sign) : std::uint16_t{0x7fc0};
  return is_positive ? g : stopped;
}

inline void relu_bf16(bfloat16* x, std::int64_t count) {
  LS_SIMD
  for (std::int64_t i = 0; i < count; ++i) x[i].bits = relu_bits(x[i].bits);
}

inline void relu_slope_bf16(const bfloat16* g, const bfloat16* y, bfloat16* out,
                            std::int64_t count) {
  LS_SIMD
  for (std::int64_t i = 0; i < count; ++i) out[i].bits = relu_slope_bits(g[i].bits, y[i].bits);
}

}  // namespace lockstep::kernels::cpu
