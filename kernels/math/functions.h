// Functions that loops call most, written so that any compiler turns them into vector code.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "kernels/math/hd.h"

namespace lockstep::kernels::math {

LS_HD double exponential(double x) { return std::exp(x); }

// e^x in f32, to about one unit in the last place: x = n ln 2 + r with |r| <= ln 2 / 2 (ln 2 in two
// parts, after Cody and Waite, 1980), Moshier's polynomial for e^r (Cephes, 1989), and 2^n in two
// factors, so that results may overflow and be subnormal.
LS_HD float exponential(float x) {
#ifdef __CUDA_ARCH__
  return std::exp(x);
#else
  x = x < -104.0F ? -104.0F : x;
  x = x > 89.0F ? 89.0F : x;
  // Adding 1.5 * 2^23 leaves the nearest whole number in the low bits.
  const float shifted = x * 1.44269504088896F + 12582912.0F;
  const float whole = shifted - 12582912.0F;
  const std::int32_t n = std::bit_cast<std::int32_t>(shifted) - 0x4B400000;
  const float r = (x - whole * 0.693359375F) + whole * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  const std::int32_t half = n >> 1;
  const float first = std::bit_cast<float>((half + 127) << 23);
  const float second = std::bit_cast<float>((n - half + 127) << 23);
  return p * first * second;
#endif
}

template <class A> LS_HD A logistic(A x) { return A(1) / (A(1) + exponential(-x)); }

}  // namespace lockstep::kernels::math
