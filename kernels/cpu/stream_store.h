// Stores that pass by the caches, for results that would only push out what is still needed.
#pragma once

#include <cstddef>
#include <cstring>

#ifdef __SSE2__
#include <immintrin.h>
#endif

namespace lockstep::kernels::cpu {

inline constexpr std::size_t line_bytes = 64;

// Copies one cache line to an address that is aligned to it.
inline void stream_line(const void* line, void* to) {
#if defined(__AVX512F__)
  _mm512_stream_si512(static_cast<__m512i*>(to), _mm512_load_si512(line));
#elif defined(__AVX__)
  const auto* from = static_cast<const __m256i*>(line);
  for (int i = 0; i < 2; ++i)
    _mm256_stream_si256(static_cast<__m256i*>(to) + i, _mm256_load_si256(from + i));
#elif defined(__SSE2__)
  const auto* from = static_cast<const __m128i*>(line);
  for (int i = 0; i < 4; ++i)
    _mm_stream_si128(static_cast<__m128i*>(to) + i, _mm_load_si128(from + i));
#else
  std::memcpy(to, line, line_bytes);
#endif
}

// Other threads that see what this one writes from here on see the streamed lines as well.
inline void finish_streaming() {
#ifdef __SSE2__
  _mm_sfence();
#endif
}

}  // namespace lockstep::kernels::cpu
