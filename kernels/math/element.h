// Elements and the type that they are computed in: halves as f32, everything else as itself.
#pragma once

#include <type_traits>

#include "kernels/math/hd.h"
#include "lockstep/base/dtype.h"

namespace lockstep::kernels::math {

template <class T>
inline constexpr bool is_half = std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>;

// The type that T is computed in.
template <class T> using Real = std::conditional_t<is_half<T>, float, T>;

LS_HD float widened(bfloat16 value) { return static_cast<float>(value); }
LS_HD float widened(float16 value) {
#ifdef __CUDA_ARCH__
  float wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(value.bits));
  return wide;
#else
  return static_cast<float>(value);
#endif
}

// Rounded to the nearest, ties to even.
template <class Half> LS_HD Half narrowed(float value) {
#ifdef __CUDA_ARCH__
  Half half;
  if constexpr (std::is_same_v<Half, float16>) {
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half.bits) : "f"(value));
  } else {
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(half.bits) : "f"(value));
  }
  return half;
#else
  return Half(value);
#endif
}

template <class To, class From> LS_HD To converted(From value) {
  if constexpr (is_half<From>) {
    return converted<To>(widened(value));
  } else if constexpr (is_half<To>) {
    return narrowed<To>(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, bool>) {
    return value != From(0);
  } else {
    return static_cast<To>(value);
  }
}

}  // namespace lockstep::kernels::math
