// The gradient for the input. With stride (sh, sw) the input pixels fall into sh * sw phases; each
// phase sees its own subset of the taps, and within a phase the gradient is a stride-1 correlation
// of the framed output gradient with those taps in reverse order.
#include "kernels/cpu/activation.h"
#include "kernels/cpu/conv_passes.h"
#include "kernels/cpu/correlate.h"
#include "kernels/cpu/packed_weights.h"
#include "kernels/host.h"
#include "lockstep/core/parallel_for.h"

namespace lockstep::kernels::cpu {
namespace {

// One axis of a phase: input positions first, first + stride, ... (count of them) see the taps
// phase, phase + stride, ... (taps of them). Position `first` lies under output position
// `out_first` at the first of those taps.
struct AxisPhase {
  std::int64_t first, count, taps, out_first;
};

AxisPhase axis_phase(std::int64_t phase, std::int64_t size, std::int64_t taps, std::int64_t stride,
                     std::int64_t pad) {
  const std::int64_t first = ((phase - pad) % stride + stride) % stride;
  return {.first = first,
          .count = first < size ? divide_up(size - first, stride) : 0,
          .taps = phase < taps ? divide_up(taps - phase, stride) : 0,
          .out_first = (first + pad - phase) / stride};
}

// How far the output gradient must be framed for every phase of an axis.
struct AxisFrame {
  std::int64_t before, size;
};

AxisFrame axis_frame(std::int64_t size, std::int64_t out_size, std::int64_t taps,
                     std::int64_t stride, std::int64_t pad) {
  const std::int64_t before = divide_up(taps, stride) - 1;
  std::int64_t last = out_size - 1;
  for (std::int64_t phase = 0; phase < stride; ++phase) {
    const AxisPhase p = axis_phase(phase, size, taps, stride, pad);
    last = std::max(last, p.out_first + p.count - 1);
  }
  return {.before = before, .size = before + last + 1};
}

Frame gradient_frame(const ConvShape& s) {
  const AxisFrame y =
      axis_frame(s.height, s.out_height, s.taps_height, s.stride_height, s.pad_height);
  const AxisFrame x = axis_frame(s.width, s.out_width, s.taps_width, s.stride_width, s.pad_width);
  return {.height = y.size, .width = x.size, .top = y.before, .left = x.before};
}

struct Phase {
  std::int64_t tap_y, tap_x;
  AxisPhase y, x;

  std::int64_t depth(const ConvShape& s) const { return y.taps * x.taps * s.out_channels; }
};

Phase phase_of(const ConvShape& s, std::int64_t y, std::int64_t x) {
  return {y, x, axis_phase(y, s.height, s.taps_height, s.stride_height, s.pad_height),
          axis_phase(x, s.width, s.taps_width, s.stride_width, s.pad_width)};
}

template <class F> void for_each_phase(const ConvShape& s, const F& f) {
  for (std::int64_t y = 0; y < s.stride_height; ++y) {
    for (std::int64_t x = 0; x < s.stride_width; ++x) f(phase_of(s, y, x));
  }
}

// The phase's taps in reverse order, output channels innermost; columns are the input channels.
template <class T>
void pack_phase(const ConvShape& s, const Phase& phase, const T* weight, T* packed) {
  for (std::int64_t column = 0; column < s.channels; column += block_columns<T>) {
    for (std::int64_t y = phase.y.taps - 1; y >= 0; --y) {
      for (std::int64_t x = phase.x.taps - 1; x >= 0; --x) {
        const std::int64_t tap_y = phase.tap_y + s.stride_height * y;
        const std::int64_t tap_x = phase.tap_x + s.stride_width * x;
        const T* tap = weight + (tap_y * s.taps_width + tap_x) * s.channels + column;
        packed = pack_block(s.channels - column, s.out_channels, tap, s.taps_size(), 1, packed);
      }
    }
  }
}

template <class T> const T* packed(const ConvCall& call, const ConvShape& s) {
  const PackedKey key{call.weight_key, call.weight_version, call.weight.data, Packing::conv_data};
  const std::int64_t size =
      packed_size<T>(s.channels, s.taps_height * s.taps_width * s.out_channels);
  return packed_weights<T>(key, size, [&](T* to) {
    for_each_phase(s, [&](const Phase& phase) {
      pack_phase(s, phase, call.weight.as<T>(), to);
      to += packed_size<T>(s.channels, phase.depth(s));
    });
  });
}

template <class T>
const T* framed(const ConvCall& call, const ConvShape& s, const Frame& frame, std::int64_t first,
                std::int64_t images) {
  const T* g = call.g.as<T>() + first * s.out_size();
  if (call.activation == Activation::none && !frame.is_needed(s.out_height, s.out_width)) return g;
  const std::int64_t size = frame.image(s.out_channels);
  T* copy = scratch<T>(Scratch::gradient, images * size);
  const auto through_slope = [&](T* to, const T* from, std::int64_t elements) {
    const std::int64_t at = from - call.g.as<T>();
    with_slope(call.activation,
               [&]<class Op>(Op) { copy_through<Op>(from, call.y.as<T>(), at, to, elements); });
  };
  for (std::int64_t i = 0; i < images; ++i) {
    frame_image(g + i * s.out_size(), s.out_height, s.out_width, s.out_channels, frame,
                copy + i * size, through_slope);
  }
  return copy;
}

template <class T>
void run_phase(const ConvShape& s, const Phase& phase, const Frame& frame, std::int64_t images,
               const T* g, const T* weights, T* dx, bool add) {
  const std::int64_t line = frame.line(s.out_channels);
  const Raster raster{.images = images,
                      .lines = phase.y.count,
                      .pixels = phase.x.count,
                      .in_image = frame.image(s.out_channels),
                      .in_line = line,
                      .in_pixel = s.out_channels,
                      .out_image = s.image_size(),
                      .out_line = s.stride_height * s.width * s.channels,
                      .out_pixel = s.stride_width * s.channels};
  const Patch patch{
      .lines = phase.y.taps, .length = phase.x.taps * s.out_channels, .line_pitch = line};
  const std::int64_t in_y = frame.top + phase.y.out_first - (phase.y.taps - 1);
  const std::int64_t in_x = frame.left + phase.x.out_first - (phase.x.taps - 1);
  correlate(raster, patch, g + in_y * line + in_x * s.out_channels, weights, s.channels,
            dx + (phase.y.first * s.width + phase.x.first) * s.channels, Finish<T>{.add = add});
}

}  // namespace

template <class T> void conv_data_gradient(const ConvCall& call, const ConvShape& s) {
  const Frame frame = gradient_frame(s);
  const T* weights = packed<T>(call, s);
  const std::int64_t together = images_together(s.images, s.height * s.width);
  core::parallel_chunks(threads(), s.images, together, [&](std::int64_t begin, std::int64_t end) {
    const T* g = framed<T>(call, s, frame, begin, end - begin);
    T* dx = call.x.as<T>() + begin * s.image_size();
    const T* at = weights;
    for_each_phase(s, [&](const Phase& phase) {
      run_phase(s, phase, frame, end - begin, g, at, dx, call.write == Write::add);
      at += packed_size<T>(s.channels, phase.depth(s));
    });
  });
}

template void conv_data_gradient<float>(const ConvCall&, const ConvShape&);
template void conv_data_gradient<double>(const ConvCall&, const ConvShape&);

}  // namespace lockstep::kernels::cpu
