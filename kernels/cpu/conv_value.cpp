// The forward pass: correlates framed images with the weights.
#include "kernels/cpu/activation.h"
#include "kernels/cpu/conv_passes.h"
#include "kernels/cpu/correlate.h"
#include "kernels/cpu/packed_weights.h"
#include "kernels/host.h"
#include "lockstep/core/parallel_for.h"

namespace lockstep::kernels::cpu {
namespace {

template <class T> const T* padded_bias(const View& bias, std::int64_t channels) {
  if (bias.data == nullptr) return nullptr;
  const std::int64_t padded = round_up(channels, lanes<T>);
  T* copy = scratch<T>(Scratch::bias, padded);
  std::fill(std::copy_n(bias.as<T>(), channels, copy), copy + padded, T(0));
  return copy;
}

template <class T> const T* packed(const ConvCall& call, const ConvShape& s) {
  const PackedKey key{call.weight_key, call.weight_version, call.weight.data, Packing::conv_value};
  const std::int64_t depth = s.taps_size();
  return packed_weights<T>(key, packed_size<T>(s.out_channels, depth), [&](T* to) {
    pack_columns(s.out_channels, depth, call.weight.as<T>(), 1, depth, to);
  });
}

Raster raster_of(const ConvShape& s, const Frame& frame, std::int64_t images) {
  const std::int64_t line = frame.line(s.channels);
  return {.images = images,
          .lines = s.out_height,
          .pixels = s.out_width,
          .in_image = frame.image(s.channels),
          .in_line = s.stride_height * line,
          .in_pixel = s.stride_width * s.channels,
          .out_image = s.out_size(),
          .out_line = s.out_width * s.out_channels,
          .out_pixel = s.out_channels};
}

}  // namespace

template <class T> void conv_value(const ConvCall& call, const ConvShape& s) {
  const Frame frame = input_frame(s);
  const T* weights = packed<T>(call, s);
  const Finish<T> finish{.bias = padded_bias<T>(call.bias, s.out_channels),
                         .add = call.write == Write::add,
                         .relu = call.activation == Activation::relu};
  const Patch patch{.lines = s.taps_height,
                    .length = s.taps_width * s.channels,
                    .line_pitch = frame.line(s.channels)};
  const std::int64_t together = images_together(s.images, s.out_pixels());
  core::parallel_chunks(threads(), s.images, together, [&](std::int64_t begin, std::int64_t end) {
    T* y = call.y.as<T>() + begin * s.out_size();
    correlate(raster_of(s, frame, end - begin), patch,
              framed_input<T>(call.x, s, frame, begin, end - begin), weights, s.out_channels, y,
              finish);
    if (!finish.relu) activate(call.activation, y, (end - begin) * s.out_size());
  });
}

template void conv_value<float>(const ConvCall&, const ConvShape&);
template void conv_value<double>(const ConvCall&, const ConvShape&);

}  // namespace lockstep::kernels::cpu
