// The gradients for the weight and the bias: for every tap and input channel (a row) and output
// channel (a column) the product of the input under the tap with the output gradient, summed over
// all pixels.
#include "kernels/cpu/activation.h"
#include "kernels/cpu/conv_passes.h"
#include "kernels/cpu/correlate.h"
#include "kernels/cpu/host.h"
#include "lockstep/core/parallel_for.h"

namespace lockstep::kernels::cpu {
namespace {

// The sums of one chunk of images: [block of columns][row][columns of the block], then one row of
// bias sums.
template <class T> struct Sums {
  T* weight;
  T* bias;

  static std::int64_t size(const ConvShape& s) {
    return round_up(s.out_channels, lanes<T>) * (s.taps_size() + 1);
  }
  Sums(T* data, const ConvShape& s)
      : weight(data), bias(data + round_up(s.out_channels, lanes<T>) * s.taps_size()) {}
};

// What a group of images contributes: framed x, and the output gradient with `pitch` channels a
// pixel.
template <class T> struct Group {
  std::int64_t images;
  const T* x;
  const T* g;
  std::int64_t pitch;
};

template <class T>
const T* framed(const ConvCall& call, const ConvShape& s, const Frame& frame, std::int64_t first,
                std::int64_t images) {
  const T* x = call.x.as<T>() + first * s.image_size();
  if (!frame.is_needed(s.height, s.width)) return x;
  const std::int64_t size = frame.image(s.channels);
  T* copy = scratch<T>(Scratch::image, images * size);
  for (std::int64_t i = 0; i < images; ++i) {
    frame_image(x + i * s.image_size(), s.height, s.width, s.channels, frame, copy + i * size,
                copy_elements<T>);
  }
  return copy;
}

template <class T>
Group<T> group_of(const ConvCall& call, const ConvShape& s, const Frame& frame, std::int64_t first,
                  std::int64_t images) {
  const std::int64_t pitch = round_up(s.out_channels, lanes<T>), pixels = images * s.out_pixels();
  Group<T> group{images, framed<T>(call, s, frame, first, images),
                 call.g.as<T>() + first * s.out_size(), pitch};
  if (call.activation == Activation::none && pitch == s.out_channels) return group;
  T* copy = scratch<T>(Scratch::gradient, pixels * pitch);
  const std::int64_t run = pitch == s.out_channels ? pixels * pitch : s.out_channels;
  for (std::int64_t at = 0; at < pixels * s.out_channels; at += run) {
    T* to = copy + at / s.out_channels * pitch;
    copy_through_slope(call.activation, group.g + at, call.y.as<T>(), first * s.out_size() + at, to,
                       run);
    if (run < pitch) std::fill(to + run, to + pitch, T(0));
  }
  group.g = copy;
  return group;
}

template <class T>
void add_weight_sums(const ConvShape& s, const Frame& frame, const Group<T>& group, bool add,
                     T* sums) {
  const std::int64_t line = frame.line(s.channels), tap_line = s.taps_width * s.channels;
  const Walk walk{.images = group.images,
                  .lines = s.out_height,
                  .steps = s.out_width,
                  .image_pitch = frame.image(s.channels),
                  .line_pitch = s.stride_height * line,
                  .step_pitch = s.stride_width * s.channels,
                  .right_pitch = group.pitch};
  for (std::int64_t column = 0; column < s.out_channels; column += block_columns<T>) {
    const int vectors = vectors_of<T>(s.out_channels - column);
    const Finish<T> finish{.columns = vectors * lanes<T>, .add = add};
    for (std::int64_t row = 0; row < s.taps_size(); row += tile_rows) {
      const int count = static_cast<int>(std::min<std::int64_t>(tile_rows, s.taps_size() - row));
      const T* rows[tile_rows];
      T* out[tile_rows];
      for (int r = 0; r < count; ++r, sums += finish.columns) {
        rows[r] = group.x + (row + r) / tap_line * line + (row + r) % tap_line;
        out[r] = sums;
      }
      run_tile(rows, count, vectors, group.g + column, walk, out, finish);
    }
  }
}

template <class T> void add_bias_sums(const ConvShape& s, const Group<T>& group, T* sums) {
  const std::int64_t pixels = group.images * s.out_pixels();
  for (std::int64_t c = 0; c < group.pitch; c += lanes<T>) {
    Vec<T> sum = load(sums + c);
    for (std::int64_t p = 0; p < pixels; ++p) sum += load(group.g + p * group.pitch + c);
    store(sums + c, sum);
  }
}

// Adds up the chunks in their order and turns [row][column] into the weight's [column][row].
template <class T>
void write_weight(const ConvCall& call, const ConvShape& s, const T* sums, std::int64_t chunks) {
  const std::int64_t rows = s.taps_size();
  for (std::int64_t column = 0; column < s.out_channels; ++column) {
    const std::int64_t first = column / block_columns<T> * block_columns<T>;
    const std::int64_t width = vectors_of<T>(s.out_channels - first) * lanes<T>;
    const T* from = sums + first * rows + (column - first);
    T* to = call.weight.as<T>() + column * rows;
    for (std::int64_t row = 0; row < rows; ++row) {
      T sum = from[row * width];
      for (std::int64_t c = 1; c < chunks; ++c) sum += from[c * Sums<T>::size(s) + row * width];
      to[row] = call.write == Write::add ? to[row] + sum : sum;
    }
  }
}

template <class T>
void write_bias(const ConvCall& call, const ConvShape& s, T* sums, std::int64_t chunks) {
  T* to = call.bias.as<T>();
  for (std::int64_t column = 0; column < s.out_channels; ++column) {
    T sum = 0;
    for (std::int64_t c = 0; c < chunks; ++c)
      sum += Sums<T>(sums + c * Sums<T>::size(s), s).bias[column];
    to[column] = call.bias_write == Write::add ? to[column] + sum : sum;
  }
}

}  // namespace

template <class T> void conv_weight_gradient(const ConvCall& call, const ConvShape& s) {
  const Frame frame = input_frame(s);
  const std::int64_t grain = std::max<std::int64_t>(1, divide_up(s.images, threads()));
  const std::int64_t chunks = std::max<std::int64_t>(1, divide_up(s.images, grain)),
                     size = Sums<T>::size(s);
  T* all = scratch<T>(Scratch::sums, chunks * size);
  if (s.images == 0) std::fill_n(all, size, T(0));
  const std::int64_t together = images_together(s.images, s.out_pixels());
  core::parallel_chunks(threads(), s.images, grain, [&](std::int64_t begin, std::int64_t end) {
    const Sums<T> sums(all + begin / grain * size, s);
    std::fill_n(sums.bias, round_up(s.out_channels, lanes<T>), T(0));
    for (std::int64_t first = begin; first < end; first += together) {
      const Group<T> group = group_of<T>(call, s, frame, first, std::min(together, end - first));
      add_weight_sums(s, frame, group, first != begin, sums.weight);
      if (call.bias.data != nullptr) add_bias_sums(s, group, sums.bias);
    }
  });
  write_weight(call, s, all, chunks);
  if (call.bias.data != nullptr) write_bias(call, s, all, chunks);
}

template void conv_weight_gradient<float>(const ConvCall&, const ConvShape&);
template void conv_weight_gradient<double>(const ConvCall&, const ConvShape&);

}  // namespace lockstep::kernels::cpu
