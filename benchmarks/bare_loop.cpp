// Compiled for this machine's instruction set where the kernels are, so nothing of the standard
// library that other sources might share is used here.
#include "benchmarks/bare_loop.h"

#ifdef __SSE2__
#include <immintrin.h>
#endif

namespace lockstep::bench {
namespace {

constexpr std::size_t line = 64;

template <class T> struct Lanes {
  using Type [[gnu::vector_size(line), gnu::aligned(1), gnu::may_alias]] = T;
};

template <class V> void stream_store(std::byte* to, const V& value) {
#if defined(__AVX512F__)
  __m512i bits;
  __builtin_memcpy(&bits, &value, line);
  _mm512_stream_si512(reinterpret_cast<__m512i*>(to), bits);
#elif defined(__SSE2__)
  __m128i bits[4];
  __builtin_memcpy(bits, &value, line);
  for (int i = 0; i < 4; ++i) _mm_stream_si128(reinterpret_cast<__m128i*>(to) + i, bits[i]);
#else
  __builtin_memcpy(to, &value, line);
#endif
}

bool is_aligned(const std::byte* address) {
  return reinterpret_cast<std::uintptr_t>(address) % line == 0;
}

// The first source and the first target apart from the others: two of each is the common case.
template <class T, bool streams> void add_lines(const BareLoop& loop, std::size_t bytes) {
  using V = typename Lanes<T>::Type;
  const std::byte* const first = loop.sources[0];
  const std::byte* const second = loop.source_count > 1 ? loop.sources[1] : nullptr;
  for (std::size_t at = 0; at < bytes; at += line) {
    V sum = *reinterpret_cast<const V*>(first + at);
    if (second != nullptr) sum += *reinterpret_cast<const V*>(second + at);
    for (int i = 2; i < loop.source_count; ++i)
      sum += *reinterpret_cast<const V*>(loop.sources[i] + at);
    for (int i = 0; i < loop.target_count; ++i) {
      if constexpr (streams) {
        stream_store(loop.targets[i] + at, sum);
      } else {
        *reinterpret_cast<V*>(loop.targets[i] + at) = sum;
      }
    }
  }
#ifdef __SSE2__
  if constexpr (streams) _mm_sfence();
#endif
}

template <class T> void add_rest(const BareLoop& loop, std::size_t from) {
  for (std::size_t at = from; at + sizeof(T) <= loop.bytes; at += sizeof(T)) {
    T sum{};
    for (int i = 0; i < loop.source_count; ++i) {
      T value;
      __builtin_memcpy(&value, loop.sources[i] + at, sizeof value);
      sum = static_cast<T>(sum + value);
    }
    for (int i = 0; i < loop.target_count; ++i)
      __builtin_memcpy(loop.targets[i] + at, &sum, sizeof sum);
  }
}

template <class T> void run(const BareLoop& loop, Stores stores) {
  bool streams = stores == Stores::streaming;
  for (int i = 0; i < loop.target_count; ++i) streams = streams && is_aligned(loop.targets[i]);
  const std::size_t whole = loop.bytes / line * line;
  if (streams) {
    add_lines<T, true>(loop, whole);
  } else {
    add_lines<T, false>(loop, whole);
  }
  add_rest<T>(loop, whole);
}

}  // namespace

void run_bare_loop(const BareLoop& loop, Stores stores) {
  if (loop.source_count == 0 || loop.target_count == 0) return;
  switch (loop.element_size) {
    case 8:
      return loop.is_floating ? run<double>(loop, stores) : run<std::uint64_t>(loop, stores);
    case 4:
      return loop.is_floating ? run<float>(loop, stores) : run<std::uint32_t>(loop, stores);
    case 2:
      return run<std::uint16_t>(loop, stores);
    default:
      return run<std::uint8_t>(loop, stores);
  }
}

}  // namespace lockstep::bench
