// Pooling: a thread for each element of the result, gradients included, so that nothing is added
// from two sides. Windows are visited in the CPU's order.
#pragma once

#include <algorithm>

#include "kernels/cuda/walk.h"
#include "kernels/host.h"
#include "kernels/math/element.h"
#include "lockstep/kernels/calls.h"

namespace lockstep::kernels::cuda {

// One axis of the image: its size, that of the result, and how windows lie on it.
struct PoolAxis {
  std::int32_t size, out_size, window, stride, pad;

  // The pixels [first, end) of window `out`, and the windows [first, end) that cover pixel `in`.
  struct Range {
    std::int32_t first, end;
  };
  LS_HD Range pixels(std::int32_t out) const {
    const std::int32_t first = out * stride - pad;
    return {first > 0 ? first : 0, first + window < size ? first + window : size};
  }
  LS_HD Range windows(std::int32_t in) const {
    const std::int32_t before = in + pad - window;  // the last window that ends before the pixel
    const std::int32_t first = before < 0 ? 0 : before / stride + 1;
    const std::int32_t end = (in + pad) / stride + 1;
    return {first, end < out_size ? end : out_size};
  }
};

template <class T> struct PoolArguments {
  PoolAxis height, width;
  std::uint32_t channels;
  const T* in;  // x, or the gradient of y
  T* out;       // y, or the gradient of x
  std::int32_t* indices;
  bool counts_padding;
  bool is_added;

  // What each pixel of window [y, x] counts for in its mean.
  template <class A> LS_HD A share(std::int32_t y, std::int32_t x) const {
    if (counts_padding) return A(1) / static_cast<A>(height.window * width.window);
    const auto rows = height.pixels(y), columns = width.pixels(x);
    const std::int32_t pixels = (rows.end - rows.first) * (columns.end - columns.first);
    return A(1) / static_cast<A>(pixels > 0 ? pixels : 1);
  }
};

// An element [image, y, x, channel] of a tensor with `height` and `width`.
struct PoolPlace {
  std::int64_t image;
  std::int32_t y, x;
  std::uint32_t channel;

  LS_HD PoolPlace(std::uint32_t i, std::int32_t height, std::int32_t width,
                  std::uint32_t channels) {
    const auto columns = static_cast<std::uint32_t>(width);
    const auto rows = static_cast<std::uint32_t>(height);
    channel = i % channels;
    x = static_cast<std::int32_t>(i / channels % columns);
    y = static_cast<std::int32_t>(i / channels / columns % rows);
    image = i / channels / columns / rows;
  }
};

// What the elements of a plane of an image have in common with its first: the distance is
// (y * width + x) * channels.
template <class T>
LS_HD const T* plane_of(const T* all, const PoolPlace& at, const PoolAxis& height,
                        const PoolAxis& width, std::uint32_t channels) {
  return all + at.image * height.size * width.size * channels + at.channel;
}

template <PoolOp op, class T> struct PoolStep {
  using A = math::Real<T>;

  PoolArguments<T> a;

  LS_HD void operator()(std::uint32_t i) const {
    const PoolPlace at(i, a.height.out_size, a.width.out_size, a.channels);
    const auto rows = a.height.pixels(at.y), columns = a.width.pixels(at.x);
    const T* const plane = plane_of(a.in, at, a.height, a.width, a.channels);
    A best = op == PoolOp::max ? -A(__builtin_huge_val()) : A(0);
    std::int32_t index = -1;
    for (std::int32_t y = rows.first; y < rows.end; ++y) {
      for (std::int32_t x = columns.first; x < columns.end; ++x) {
        const std::int32_t pixel = y * a.width.size + x;
        const A value = math::converted<A>(plane[std::int64_t{pixel} * a.channels]);
        if constexpr (op == PoolOp::average) {
          best += value;
        } else if (index < 0 || value > best || (value != value && best == best)) {
          best = value;
          index = pixel;
        }
      }
    }
    if constexpr (op == PoolOp::average) {
      best *= a.template share<A>(at.y, at.x);
    } else if (a.indices != nullptr) {
      a.indices[i] = index;
    }
    a.out[i] = math::converted<T>(best);
  }
};

template <PoolOp op, class T> struct PoolSlopeStep {
  using A = math::Real<T>;

  PoolArguments<T> a;

  LS_HD void operator()(std::uint32_t i) const {
    const PoolPlace at(i, a.height.size, a.width.size, a.channels);
    const auto rows = a.height.windows(at.y), columns = a.width.windows(at.x);
    const std::int32_t pixel = at.y * a.width.size + at.x;
    A sum = a.is_added ? math::converted<A>(a.out[i]) : A(0);
    for (std::int32_t y = rows.first; y < rows.end; ++y) {
      for (std::int32_t x = columns.first; x < columns.end; ++x) {
        const std::int64_t window = (at.image * a.height.out_size + y) * a.width.out_size + x;
        const std::int64_t from = window * a.channels + at.channel;
        if constexpr (op == PoolOp::average) {
          sum += math::converted<A>(a.in[from]) * a.template share<A>(y, x);
        } else if (a.indices[from] == pixel) {
          sum += math::converted<A>(a.in[from]);
        }
      }
    }
    a.out[i] = math::converted<T>(sum);
  }
};

template <PoolOp op, class T, class On> void pool_elements(const On& on, const PoolCall& call) {
  const bool is_value = call.pass == Pass::value;
  const Shape &x = call.x.sizes, &y = (is_value ? call.y : call.g).sizes;
  const auto axis = [&](int of, int window, int stride, int pad) {
    return PoolAxis{static_cast<std::int32_t>(x[of]), static_cast<std::int32_t>(y[of]), window,
                    stride, pad};
  };
  const Window& w = call.window;
  const PoolArguments<T> a{.height = axis(1, w.height, w.stride_height, w.pad_height),
                           .width = axis(2, w.width, w.stride_width, w.pad_width),
                           .channels = static_cast<std::uint32_t>(x[3]),
                           .in = (is_value ? call.x : call.g).template as<const T>(),
                           .out = (is_value ? call.y : call.x).template as<T>(),
                           .indices = call.indices.as<std::int32_t>(),
                           .counts_padding = call.counts_padding,
                           .is_added = call.write == Write::add};
  if (is_value) {
    on.for_steps(static_cast<std::uint32_t>(call.y.elements()), PoolStep<op, T>{a});
  } else {
    on.for_steps(static_cast<std::uint32_t>(call.x.elements()), PoolSlopeStep<op, T>{a});
  }
  on.launched("pool", op == PoolOp::max ? "max" : "average");
}

template <class T, class On> void typed_pool(const On& on, const PoolCall& call) {
  call.op == PoolOp::max ? pool_elements<PoolOp::max, T>(on, call)
                         : pool_elements<PoolOp::average, T>(on, call);
}

template <class On> void pool_on(const On& on, const PoolCall& call) {
  const View& out = call.pass == Pass::value ? call.y : call.x;
  if (out.elements() == 0) return;
  if (std::max(call.x.elements(), out.elements()) > most_elements) {
    fail("pool: more than 2^31 elements at once", "make the batch smaller");
  }
  switch (call.x.dtype) {
    case DType::f64:
      return typed_pool<double>(on, call);
    case DType::f32:
      return typed_pool<float>(on, call);
    case DType::f16:
      return typed_pool<float16>(on, call);
    case DType::bf16:
      return typed_pool<bfloat16>(on, call);
    default:
      fail("pool: the elements are not of a floating-point type", "convert the tensor to f32");
  }
}

}  // namespace lockstep::kernels::cuda
