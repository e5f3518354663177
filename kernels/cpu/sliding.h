// Windows that slide over images channel by channel (pooling, depthwise convolution): which part of
// each lies within the image, and vectors of channels.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/cpu/vec.h"
#include "lockstep/kernels/calls.h"

namespace lockstep::kernels::cpu {

struct SlidingShape {
  std::int64_t images, height, width, channels, out_height, out_width;
  Window window;

  std::int64_t image_size() const { return height * width * channels; }
  std::int64_t out_size() const { return out_height * out_width * channels; }
};

inline SlidingShape sliding_shape(const View& x, const View& y, const Window& window) {
  return {x.sizes[0], x.sizes[1], x.sizes[2], x.sizes[3], y.sizes[1], y.sizes[2], window};
}

// The part of a window that lies within the image.
struct Taps {
  std::int64_t top, bottom, left, right;

  bool is_empty() const { return top >= bottom || left >= right; }
  std::int64_t count() const { return (bottom - top) * (right - left); }
};

inline Taps taps_at(const SlidingShape& s, std::int64_t y, std::int64_t x) {
  const Window& w = s.window;
  const std::int64_t top = y * w.stride_height - w.pad_height;
  const std::int64_t left = x * w.stride_width - w.pad_width;
  return {std::max<std::int64_t>(top, 0), std::min(top + w.height, s.height),
          std::max<std::int64_t>(left, 0), std::min(left + w.width, s.width)};
}

// f(pixel, taps) for every output pixel of an image.
template <class F> void for_each_window(const SlidingShape& s, const F& f) {
  for (std::int64_t y = 0; y < s.out_height; ++y) {
    for (std::int64_t x = 0; x < s.out_width; ++x) f(y * s.out_width + x, taps_at(s, y, x));
  }
}

// f(position) for every tap, row by row; a position is an offset within the image plane.
template <class F>
inline __attribute__((always_inline)) void for_each_tap(const SlidingShape& s, const Taps& taps,
                                                        const F& f) {
  for (std::int64_t y = taps.top; y < taps.bottom; ++y) {
    for (std::int64_t x = taps.left; x < taps.right; ++x) f(y * s.width + x);
  }
}

// A vector's worth of channels, or a single one.
template <class T, int N> struct Pack {
  typedef T Values __attribute__((vector_size(N * sizeof(T))));
  typedef std::int32_t Positions __attribute__((vector_size(N * sizeof(std::int32_t))));

  template <class V, class P> static V read(const P* p) {
    V v;
    __builtin_memcpy(&v, p, sizeof(V));
    return v;
  }
  template <class V, class P> static void write(P* p, V v) { __builtin_memcpy(p, &v, sizeof(V)); }

  // bf16 as the upper halves of f32; what is written must fit. GCC asks for element types that
  // depend on a parameter here.
  typedef std::conditional_t<(N > 0), std::uint16_t, T> Half;
  typedef std::conditional_t<(N > 0), std::uint32_t, T> Word;
  typedef Half Halves __attribute__((vector_size(N * sizeof(Half))));
  typedef Word Words __attribute__((vector_size(N * sizeof(Word))));

  template <class V> static V read(const bfloat16* p) {
    Halves halves;
    __builtin_memcpy(&halves, &p->bits, sizeof halves);
    const Words words = __builtin_convertvector(halves, Words) << 16;
    return read<V>(&words);
  }
  template <class V> static void write(bfloat16* p, V v) {
    Words words;
    __builtin_memcpy(&words, &v, sizeof words);
    const Halves halves = __builtin_convertvector(words >> 16, Halves);
    __builtin_memcpy(&p->bits, &halves, sizeof halves);
  }
};

// Calls f with the channel and the number of channels taken together, as a constant.
template <class T, class F>
inline __attribute__((always_inline)) void for_channels(std::int64_t channels, const F& f) {
  std::int64_t c = 0;
  for (; c + lanes<T> <= channels; c += lanes<T>) f.template operator()<lanes<T>>(c);
  for (; c < channels; ++c) f.template operator()<1>(c);
}

}  // namespace lockstep::kernels::cpu
