#include "kernels/cpu/pool.h"

#include <algorithm>
#include <limits>

#include "kernels/cpu/sliding.h"
#include "kernels/cpu/widened.h"
#include "kernels/host.h"
#include "lockstep/core/parallel_for.h"

namespace lockstep::kernels::cpu {
namespace {

struct PoolShape : SlidingShape {
  bool counts_padding;
};

PoolShape shape_of(const PoolCall& call) {
  const View& result = call.y.data != nullptr ? call.y : call.g;
  return {sliding_shape(call.x, result, call.window), call.counts_padding};
}

// Elements are of type E, and are compared as T.
template <class T, class E>
void max_value(const PoolShape& s, const E* x, E* y, std::int32_t* indices) {
  for_each_window(s, [&](std::int64_t pixel, const Taps& taps) {
    for_channels<T>(s.channels, [&]<int N>(std::int64_t c) {
      using P = Pack<T, N>;
      using Values = typename P::Values;
      using Positions = typename P::Positions;
      Values best = Values{} - std::numeric_limits<T>::infinity();
      Positions index = Positions{} - 1;
      if (!taps.is_empty()) {
        const std::int64_t first = taps.top * s.width + taps.left;
        best = P::template read<Values>(x + first * s.channels + c);
        index = Positions{} + static_cast<std::int32_t>(first);
      }
      for_each_tap(s, taps, [&](std::int64_t at) {
        const Values value = P::template read<Values>(x + at * s.channels + c);
        const auto takes = (value > best) | ((value != value) & (best == best));
        best = takes ? value : best;
        index = __builtin_convertvector(takes, Positions)
                    ? Positions{} + static_cast<std::int32_t>(at)
                    : index;
      });
      P::write(y + pixel * s.channels + c, best);
      if (indices != nullptr) P::write(indices + pixel * s.channels + c, index);
    });
  });
}

template <class T, bool Store, class E>
void max_slope(const PoolShape& s, const E* g, const std::int32_t* indices, E* dx) {
  for_each_window(s, [&](std::int64_t pixel, const Taps& taps) {
    for_channels<T>(s.channels, [&]<int N>(std::int64_t c) {
      using P = Pack<T, N>;
      using Values = typename P::Values;
      using Positions = typename P::Positions;
      using Mask = decltype(Values{} < Values{});
      const Values slope = P::template read<Values>(g + pixel * s.channels + c);
      const Positions index = P::template read<Positions>(indices + pixel * s.channels + c);
      for_each_tap(s, taps, [&](std::int64_t at) {
        const Positions here = index == Positions{} + static_cast<std::int32_t>(at);
        Values share = __builtin_convertvector(here, Mask) ? slope : Values{};
        E* to = dx + at * s.channels + c;
        if (!Store) share += P::template read<Values>(to);
        P::write(to, share);
      });
    });
  });
}

// What each tap of a window counts for in its mean.
template <class T> T share_of(const PoolShape& s, const Taps& taps) {
  const std::int64_t all = static_cast<std::int64_t>(s.window.height) * s.window.width;
  return T(1) / static_cast<T>(s.counts_padding ? all : std::max<std::int64_t>(taps.count(), 1));
}

template <class T> void average_value(const PoolShape& s, const T* x, T* y) {
  for_each_window(s, [&](std::int64_t pixel, const Taps& taps) {
    const T share = share_of<T>(s, taps);
    for_channels<T>(s.channels, [&]<int N>(std::int64_t c) {
      using P = Pack<T, N>;
      using Values = typename P::Values;
      Values sum{};
      for_each_tap(s, taps, [&](std::int64_t at) {
        sum += P::template read<Values>(x + at * s.channels + c);
      });
      P::write(y + pixel * s.channels + c, Values(sum * share));
    });
  });
}

template <class T, bool Store> void average_slope(const PoolShape& s, const T* g, T* dx) {
  for_each_window(s, [&](std::int64_t pixel, const Taps& taps) {
    const T share = share_of<T>(s, taps);
    for_channels<T>(s.channels, [&]<int N>(std::int64_t c) {
      using P = Pack<T, N>;
      using Values = typename P::Values;
      const Values slope = P::template read<Values>(g + pixel * s.channels + c) * share;
      for_each_tap(s, taps, [&](std::int64_t at) {
        T* to = dx + at * s.channels + c;
        P::write(to, Store ? slope : Values(slope + P::template read<Values>(to)));
      });
    });
  });
}

// Every pixel lies in exactly one window: its gradient can be stored without clearing first.
bool windows_tile_the_image(const PoolShape& s) {
  const Window& w = s.window;
  return w.stride_height == w.height && w.stride_width == w.width && w.pad_height == 0 &&
         w.pad_width == 0 && s.out_height * w.height == s.height &&
         s.out_width * w.width == s.width;
}

template <class T> void value(const PoolCall& call, const PoolShape& s, std::int64_t image) {
  const T* x = call.x.as<T>() + image * s.image_size();
  T* y = call.y.as<T>() + image * s.out_size();
  if (call.op == PoolOp::average) return average_value(s, x, y);
  auto* indices = call.indices.as<std::int32_t>();
  max_value<T>(s, x, y, indices != nullptr ? indices + image * s.out_size() : nullptr);
}

template <class T, bool Store>
void slope(const PoolCall& call, const PoolShape& s, std::int64_t image) {
  const T* g = call.g.as<T>() + image * s.out_size();
  T* dx = call.x.as<T>() + image * s.image_size();
  if (call.op == PoolOp::average) return average_slope<T, Store>(s, g, dx);
  max_slope<T, Store>(s, g, call.indices.as<std::int32_t>() + image * s.out_size(), dx);
}

template <class T> void run(const PoolCall& call) {
  const PoolShape s = shape_of(call);
  const bool stores = call.write == Write::store;
  core::parallel_chunks(threads(), s.images, 1, [&](std::int64_t image, std::int64_t) {
    if (call.pass == Pass::value) return value<T>(call, s, image);
    if (stores && windows_tile_the_image(s)) return slope<T, true>(call, s, image);
    if (stores) std::fill_n(call.x.as<T>() + image * s.image_size(), s.image_size(), T(0));
    slope<T, false>(call, s, image);
  });
}

// Maxima, which choose among bf16 elements and round nothing.
void choose(const PoolCall& call, const PoolShape& s) {
  core::parallel_chunks(threads(), s.images, 1, [&](std::int64_t image, std::int64_t) {
    auto* x = call.x.as<bfloat16>() + image * s.image_size();
    auto* indices = call.indices.as<std::int32_t>();
    if (indices != nullptr) indices += image * s.out_size();
    if (call.pass == Pass::slope)
      return max_slope<float, true>(s, call.g.as<const bfloat16>() + image * s.out_size(), indices,
                                    x);
    max_value<float>(s, x, call.y.as<bfloat16>() + image * s.out_size(), indices);
  });
}

bool is_choice(const PoolCall& call, const PoolShape& s) {
  return call.x.dtype == DType::bf16 && call.op == PoolOp::max && call.write == Write::store &&
         (call.pass == Pass::value || windows_tile_the_image(s));
}

}  // namespace

void pool(const PoolCall& call) {
  if (call.x.dtype == DType::f32) return run<float>(call);
  if (call.x.dtype == DType::f64) return run<double>(call);
  if (const PoolShape s = shape_of(call); is_choice(call, s)) return choose(call, s);
  widened::pool(call);
}

}  // namespace lockstep::kernels::cpu
