// Loads and stores of runs of elements as the type that is computed in.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#ifdef __F16C__
#include <immintrin.h>
#endif

#include "kernels/cpu/simd.h"
#include "kernels/math/element.h"

namespace lockstep::kernels::cpu {

using math::converted;
using math::is_half;
using math::Real;

template <class To, class From>
void load_run(const From* from, std::int64_t stride, To* to, std::int64_t n);
template <class To, class From>
void store_run(const From* from, To* to, std::int64_t stride, std::int64_t n);

// The last few elements, converted by the very instruction of all others: NaN keeps its bits.
template <class To, class From> void in_a_padded_block(const From* from, To* to, std::int64_t n) {
  From padded[8] = {};
  To converted_block[8];
  std::copy_n(from, n, padded);
  if constexpr (is_half<From>) {
    load_run(padded, 1, converted_block, 8);
  } else {
    store_run(padded, converted_block, 1, 8);
  }
  std::copy_n(converted_block, n, to);
}

// to[i] = from[i * stride] for i < n.
template <class To, class From>
void load_run(const From* from, std::int64_t stride, To* to, std::int64_t n) {
  if (stride == 0) {
    const To value = converted<To>(*from);
    for (std::int64_t i = 0; i < n; ++i) to[i] = value;
  } else if (stride == 1) {
    std::int64_t i = 0;
#ifdef __F16C__
    if constexpr (std::is_same_v<From, float16> && std::is_same_v<To, float>) {
      for (; i + 8 <= n; i += 8) {
        const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i));
        _mm256_storeu_ps(to + i, _mm256_cvtph_ps(halves));
      }
      if (i < n) in_a_padded_block(from + i, to + i, n - i);
      return;
    }
#endif
    for (; i < n; ++i) to[i] = converted<To>(from[i]);
  } else {
    for (std::int64_t i = 0; i < n; ++i) to[i] = converted<To>(from[i * stride]);
  }
}

// to[i * stride] = from[i] for i < n.
template <class To, class From>
void store_run(const From* from, To* to, std::int64_t stride, std::int64_t n) {
  if (stride == 1) {
    std::int64_t i = 0;
#ifdef __F16C__
    if constexpr (std::is_same_v<To, float16> && std::is_same_v<From, float>) {
      for (; i + 8 <= n; i += 8) {
        const __m128i halves =
            _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), halves);
      }
      if (i < n) in_a_padded_block(from + i, to + i, n - i);
      return;
    }
#endif
    for (; i < n; ++i) to[i] = converted<To>(from[i]);
  } else {
    for (std::int64_t i = 0; i < n; ++i) to[i * stride] = converted<To>(from[i]);
  }
}

}  // namespace lockstep::kernels::cpu
