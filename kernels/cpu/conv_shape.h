// The sizes of a convolution, and the images that its kernels read: framed by the zeros of the
// padding.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/scratch.h"
#include "lockstep/kernels/calls.h"

namespace lockstep::kernels::cpu {

struct ConvShape {
  std::int64_t images, height, width, channels;      // x
  std::int64_t out_height, out_width, out_channels;  // y
  std::int64_t taps_height, taps_width;              // of the weight
  std::int64_t stride_height, stride_width, pad_height, pad_width;

  std::int64_t image_size() const { return height * width * channels; }
  std::int64_t out_pixels() const { return out_height * out_width; }
  std::int64_t out_size() const { return out_pixels() * out_channels; }
  // Elements of the weight that one output channel has.
  std::int64_t taps_size() const { return taps_height * taps_width * channels; }
};

inline ConvShape shape_of(const ConvCall& call) {
  const Shape& x = call.x.sizes;
  const View& result = call.y.data != nullptr ? call.y : call.g;
  const Shape &y = result.sizes, &w = call.weight.sizes;
  const Window& window = call.window;
  return {.images = x[0],
          .height = x[1],
          .width = x[2],
          .channels = x[3],
          .out_height = y[1],
          .out_width = y[2],
          .out_channels = y[3],
          .taps_height = w[1],
          .taps_width = w[2],
          .stride_height = window.stride_height,
          .stride_width = window.stride_width,
          .pad_height = window.pad_height,
          .pad_width = window.pad_width};
}

// Images within a frame of zeros, at [top, left] of height x width.
struct Frame {
  std::int64_t height, width, top, left;

  std::int64_t line(std::int64_t channels) const { return width * channels; }
  std::int64_t image(std::int64_t channels) const { return height * width * channels; }
  bool is_needed(std::int64_t image_height, std::int64_t image_width) const {
    return height != image_height || width != image_width || top != 0 || left != 0;
  }
};

// What the forward pass and the weight gradient read of x.
inline Frame input_frame(const ConvShape& s) {
  return {.height = (s.out_height - 1) * s.stride_height + s.taps_height,
          .width = (s.out_width - 1) * s.stride_width + s.taps_width,
          .top = s.pad_height,
          .left = s.pad_width};
}

// Writes the framed image of [height, width, channels]; lines and columns beyond the frame are left
// out. `copy(to, from, count)` moves the elements.
template <class T, class Copy>
void frame_image(const T* image, std::int64_t height, std::int64_t width, std::int64_t channels,
                 const Frame& frame, T* out, const Copy& copy) {
  const std::int64_t lines = std::min(height, frame.height - frame.top);
  const std::int64_t kept = std::min(width, frame.width - frame.left) * channels;
  const std::int64_t line = frame.line(channels), left = frame.left * channels;
  T* to = std::fill_n(out, frame.top * line, T(0));
  for (std::int64_t y = 0; y < lines; ++y, to += line) {
    std::fill_n(to, left, T(0));
    copy(to + left, image + y * width * channels, kept);
    std::fill_n(to + left + kept, line - left - kept, T(0));
  }
  std::fill_n(to, (frame.height - frame.top - lines) * line, T(0));
}

template <class T> void copy_elements(T* to, const T* from, std::int64_t count) {
  std::copy_n(from, count, to);
}

// The images of x from `first` on, framed in scratch memory; x itself where the frame adds and
// drops nothing.
template <class T>
const T* framed_input(const View& x, const ConvShape& s, const Frame& frame, std::int64_t first,
                      std::int64_t images) {
  const T* from = x.as<T>() + first * s.image_size();
  if (!frame.is_needed(s.height, s.width)) return from;
  const std::int64_t size = frame.image(s.channels);
  T* copy = scratch<T>(Scratch::image, images * size);
  for (std::int64_t i = 0; i < images; ++i) {
    frame_image(from + i * s.image_size(), s.height, s.width, s.channels, frame, copy + i * size,
                copy_elements<T>);
  }
  return copy;
}

// Pixels that are worked on together: enough to use a block of weights often before the next one is
// read, few enough to stay in the caches nearby.
inline constexpr std::int64_t pixels_together = 256;

inline std::int64_t images_together(std::int64_t images, std::int64_t pixels) {
  return std::clamp<std::int64_t>(pixels_together / std::max<std::int64_t>(pixels, 1), 1,
                                  std::max<std::int64_t>(images, 1));
}

// Lines of one image, so that all parts are about equal.
inline std::int64_t lines_together(std::int64_t lines, std::int64_t width) {
  const std::int64_t parts = (lines * width + pixels_together / 2) / pixels_together;
  return (lines + std::max<std::int64_t>(parts, 1) - 1) / std::max<std::int64_t>(parts, 1);
}

}  // namespace lockstep::kernels::cpu
