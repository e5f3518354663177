#include "kernels/cpu/depthwise.h"

#include <algorithm>

#include "kernels/cpu/activation.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/sliding.h"
#include "kernels/host.h"
#include "lockstep/core/parallel_for.h"

namespace lockstep::kernels::cpu {
namespace {

// f(position of the tap in the image plane, its number in the kernel) for the window of a pixel.
template <class F>
inline __attribute__((always_inline)) void for_each_weight(const SlidingShape& s, const Taps& taps,
                                                           std::int64_t pixel, const F& f) {
  const Window& w = s.window;
  const std::int64_t top = pixel / s.out_width * w.stride_height - w.pad_height;
  const std::int64_t left = pixel % s.out_width * w.stride_width - w.pad_width;
  for (std::int64_t y = taps.top; y < taps.bottom; ++y) {
    for (std::int64_t x = taps.left; x < taps.right; ++x) {
      f(y * s.width + x, (y - top) * w.width + x - left);
    }
  }
}

std::int64_t taps_of(const SlidingShape& s) {
  return static_cast<std::int64_t>(s.window.height) * s.window.width;
}

// [c, taps] as [taps, c]: the channels of a tap side by side.
template <class T> const T* by_taps(const View& weight, const SlidingShape& s) {
  const std::int64_t taps = taps_of(s);
  T* turned = scratch<T>(Scratch::weights, taps * s.channels);
  for (std::int64_t c = 0; c < s.channels; ++c) {
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      turned[tap * s.channels + c] = weight.as<T>()[c * taps + tap];
    }
  }
  return turned;
}

template <class T>
void image_value(const SlidingShape& s, const T* x, const T* weight, const T* bias, T* y) {
  for_each_window(s, [&](std::int64_t pixel, const Taps& taps) {
    for_channels<T>(s.channels, [&]<int N>(std::int64_t c) {
      using P = Pack<T, N>;
      using Values = typename P::Values;
      Values sum{};
      if (bias != nullptr) sum = P::template read<Values>(bias + c);
      for_each_weight(s, taps, pixel, [&](std::int64_t at, std::int64_t tap) {
        sum += P::template read<Values>(x + at * s.channels + c) *
               P::template read<Values>(weight + tap * s.channels + c);
      });
      P::write(y + pixel * s.channels + c, sum);
    });
  });
}

template <class T> void image_slope(const SlidingShape& s, const T* g, const T* weight, T* dx) {
  for_each_window(s, [&](std::int64_t pixel, const Taps& taps) {
    for_channels<T>(s.channels, [&]<int N>(std::int64_t c) {
      using P = Pack<T, N>;
      using Values = typename P::Values;
      const auto arrived = P::template read<Values>(g + pixel * s.channels + c);
      for_each_weight(s, taps, pixel, [&](std::int64_t at, std::int64_t tap) {
        T* to = dx + at * s.channels + c;
        const auto share = arrived * P::template read<Values>(weight + tap * s.channels + c);
        P::write(to, Values(P::template read<Values>(to) + share));
      });
    });
  });
}

// The gradient of an image's result before the activation.
template <class T>
const T* before_activation(const ConvCall& call, const SlidingShape& s, std::int64_t image) {
  const T* g = call.g.as<T>() + image * s.out_size();
  if (call.activation == Activation::none) return g;
  T* copy = scratch<T>(Scratch::gradient, s.out_size());
  with_slope(call.activation, [&]<class Op>(Op) {
    copy_through<Op>(g, call.y.as<T>(), image * s.out_size(), copy, s.out_size());
  });
  return copy;
}

// Adds one image's part of the sums of N channels from c on: [taps, N] and, behind them, the bias.
template <class T, int N>
void add_image(const SlidingShape& s, const T* x, const T* g, std::int64_t c, T* sums) {
  using P = Pack<T, N>;
  using Values = typename P::Values;
  T* const bias = sums + taps_of(s) * N;
  for_each_window(s, [&](std::int64_t pixel, const Taps& taps) {
    const auto arrived = P::template read<Values>(g + pixel * s.channels + c);
    for_each_weight(s, taps, pixel, [&](std::int64_t at, std::int64_t tap) {
      const auto share = arrived * P::template read<Values>(x + at * s.channels + c);
      P::write(sums + tap * N, Values(P::template read<Values>(sums + tap * N) + share));
    });
    P::write(bias, Values(P::template read<Values>(bias) + arrived));
  });
}

template <class T> void settle(T sum, Write write, T& place) {
  place = write == Write::add ? place + sum : sum;
}

// Image by image, so that few terms add up in one place: sums of images are added afterwards.
template <class T, int N>
void channel_gradients(const ConvCall& call, const SlidingShape& s, std::int64_t c, const T* g) {
  const std::int64_t taps = taps_of(s), count = (taps + 1) * N;
  T* const sums = scratch<T>(Scratch::sums, 2 * count);
  T* const all = sums + count;
  std::fill_n(all, count, T(0));
  for (std::int64_t image = 0; image < s.images; ++image) {
    std::fill_n(sums, count, T(0));
    add_image<T, N>(s, call.x.as<T>() + image * s.image_size(), g + image * s.out_size(), c, sums);
    for (std::int64_t i = 0; i < count; ++i) all[i] += sums[i];
  }
  for (int lane = 0; lane < N; ++lane) {
    T* const weight = call.weight.as<T>() + (c + lane) * taps;
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      settle(all[tap * N + lane], call.write, weight[tap]);
    }
    if (call.bias.data == nullptr) continue;
    settle(all[taps * N + lane], call.bias_write, call.bias.as<T>()[c + lane]);
  }
}

template <class T> void value(const ConvCall& call, const SlidingShape& s) {
  const T* const weight = by_taps<T>(call.weight, s);
  core::parallel_chunks(threads(), s.images, 1, [&](std::int64_t image, std::int64_t) {
    T* const y = call.y.as<T>() + image * s.out_size();
    T* const result = call.write == Write::add ? scratch<T>(Scratch::result, s.out_size()) : y;
    image_value(s, call.x.as<T>() + image * s.image_size(), weight, call.bias.as<T>(), result);
    activate(call.activation, result, s.out_size());
    if (result == y) return;
    for (std::int64_t i = 0; i < s.out_size(); ++i) y[i] += result[i];
  });
}

template <class T> void data_gradient(const ConvCall& call, const SlidingShape& s) {
  const T* const weight = by_taps<T>(call.weight, s);
  core::parallel_chunks(threads(), s.images, 1, [&](std::int64_t image, std::int64_t) {
    T* const dx = call.x.as<T>() + image * s.image_size();
    if (call.write == Write::store) std::fill_n(dx, s.image_size(), T(0));
    image_slope(s, before_activation<T>(call, s, image), weight, dx);
  });
}

// Each thread sums channels of its own.
template <class T> void weight_gradient(const ConvCall& call, const SlidingShape& s) {
  const T* g = call.g.as<T>();
  if (call.activation != Activation::none) {
    const std::int64_t count = s.images * s.out_size();
    T* const copy = scratch<T>(Scratch::gradient, count);
    with_slope(call.activation,
               [&]<class Op>(Op) { copy_through<Op>(g, call.y.as<T>(), 0, copy, count); });
    g = copy;
  }
  core::parallel_chunks(threads(), s.channels, lanes<T>, [&](std::int64_t begin, std::int64_t end) {
    if (end - begin == lanes<T>) return channel_gradients<T, lanes<T>>(call, s, begin, g);
    for (std::int64_t c = begin; c < end; ++c) channel_gradients<T, 1>(call, s, c, g);
  });
}

}  // namespace

template <class T> void depthwise(const ConvCall& call) {
  const View& result = call.y.data != nullptr ? call.y : call.g;
  const SlidingShape s = sliding_shape(call.x, result, call.window);
  switch (call.pass) {
    case ConvPass::value:
      return value<T>(call, s);
    case ConvPass::data:
      return data_gradient<T>(call, s);
    case ConvPass::weight:
      return weight_gradient<T>(call, s);
  }
}

template void depthwise<float>(const ConvCall&);
template void depthwise<double>(const ConvCall&);

}  // namespace lockstep::kernels::cpu
