// The gradients for the weight and the bias: for every tap and input channel (a row) and output
// channel (a column) the product of the input under the tap with the output gradient, summed over
// all pixels.
#include "kernels/cpu/activation.h"
#include "kernels/cpu/ahead.h"
#include "kernels/cpu/conv_passes.h"
#include "kernels/cpu/correlate.h"
#include "kernels/host.h"
#include "lockstep/core/parallel_for.h"

namespace lockstep::kernels::cpu {
namespace {

constexpr std::int64_t few_tiles = 8;

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

template <class T> void write_run(const T* from, std::int64_t count, Write write, T* to) {
  if (write == Write::store) {
    std::copy_n(from, count, to);
  } else {
    for (std::int64_t i = 0; i < count; ++i) to[i] += from[i];
  }
}

// What is summed in one go: some images, or a strip of lines of one. x is framed and begins at the
// first pixel; g is packed into blocks of columns, each [pixel][columns of the block].
template <class T> struct Part {
  std::int64_t images, lines;
  const T* x;
  const T* g;

  std::int64_t pixels(const ConvShape& s) const { return images * lines * s.out_width; }
};

// The gradient of `pixels` pixels from `first` on, through the activation's slope; zeros beyond the
// last column.
template <class T>
const T* packed_gradient(const ConvCall& call, const ConvShape& s, std::int64_t first,
                         std::int64_t pixels) {
  const std::int64_t channels = s.out_channels, at = first * channels;
  const T* g = call.g.as<T>() + at;
  const T* y = call.y.as<T>();
  const bool is_one_block = channels == lanes<T> || channels == block_columns<T>;
  if (call.activation == Activation::none && is_one_block) return g;
  T* packed = scratch<T>(Scratch::gradient, packed_size<T>(channels, pixels));
  with_slope(call.activation, [&]<class Op>(Op) {
    T* to = packed;
    for (std::int64_t c = 0; c < channels; c += block_columns<T>) {
      const std::int64_t width = vectors_of<T>(channels - c) * lanes<T>;
      const std::int64_t valid = std::min(width, channels - c);
      for (std::int64_t p = 0; p < pixels; ++p, to += width) {
        const std::int64_t from = p * channels + c;
        if (valid == block_columns<T>) {  // a constant count
          copy_through<Op>(g + from, y, at + from, to, block_columns<T>);
        } else {
          copy_through<Op>(g + from, y, at + from, to, valid);
          std::fill(to + valid, to + width, T(0));
        }
      }
    }
  });
  return packed;
}

// Adds what one block of columns contributes.
template <class T>
void add_block(const ConvShape& s, std::int64_t line, const Walk& walk, const T* x, const T* g,
               int vectors, bool add, T* sums, Ahead& ahead) {
  const std::int64_t tap_line = s.taps_width * s.channels;
  const Finish<T> finish{.columns = vectors * lanes<T>, .add = add};
  for (std::int64_t row = 0; row < s.taps_size(); row += tile_rows) {
    const int count = static_cast<int>(std::min<std::int64_t>(tile_rows, s.taps_size() - row));
    const T* rows[tile_rows];
    T* out[tile_rows];
    for (int r = 0; r < count; ++r, sums += finish.columns) {
      rows[r] = x + (row + r) / tap_line * line + (row + r) % tap_line;
      out[r] = sums;
    }
    run_tile(rows, count, vectors, g, walk, out, finish);
    ahead.fetch();
  }
}

template <class T>
void add_weight_sums(const ConvShape& s, const Frame& frame, const Part<T>& part, bool add, T* sums,
                     Ahead& ahead) {
  const std::int64_t line = frame.line(s.channels);
  Walk walk{.images = part.images,
            .lines = part.lines,
            .steps = s.out_width,
            .image_pitch = frame.image(s.channels),
            .line_pitch = s.stride_height * line,
            .step_pitch = s.stride_width * s.channels};
  for (std::int64_t column = 0; column < s.out_channels; column += block_columns<T>) {
    const int vectors = vectors_of<T>(s.out_channels - column);
    walk.right_pitch = vectors * lanes<T>;
    add_block(s, line, walk, part.x, part.g + column * part.pixels(s), vectors, add,
              sums + column * s.taps_size(), ahead);
  }
}

// Four interleaved sums a column: one alone would wait for each addition.
template <class T> void add_bias_sums(const ConvShape& s, const Part<T>& part, T* sums) {
  const std::int64_t pixels = part.pixels(s);
  for (std::int64_t column = 0; column < s.out_channels; column += lanes<T>) {
    const std::int64_t first = column / block_columns<T> * block_columns<T>;
    const std::int64_t pitch = vectors_of<T>(s.out_channels - first) * lanes<T>;
    const T* g = part.g + first * pixels + (column - first);
    Vec<T> parts[4] = {load(sums + column)};
    std::int64_t p = 0;
    for (; p + 4 <= pixels; p += 4, g += 4 * pitch) {
      for (int i = 0; i < 4; ++i) parts[i] += load(g + i * pitch);
    }
    for (; p < pixels; ++p, g += pitch) parts[0] += load(g);
    store(sums + column, (parts[0] + parts[1]) + (parts[2] + parts[3]));
  }
}

// What the parts of the next images will read; in too few pieces it would only be in the way.
template <class T>
Ahead next_images(const ConvCall& call, const ConvShape& s, std::int64_t first,
                  std::int64_t images) {
  const std::int64_t tiles =
      divide_up(s.taps_size(), tile_rows) * divide_up(s.out_channels, block_columns<T>);
  Ahead ahead(tiles);
  if (images <= 0 || tiles < few_tiles) return ahead;
  ahead.add(call.x.as<T>() + first * s.image_size(), images * s.image_size());
  ahead.add(call.g.as<T>() + first * s.out_size(), images * s.out_size());
  if (call.activation != Activation::none)
    ahead.add(call.y.as<T>() + first * s.out_size(), images * s.out_size());
  return ahead;
}

// Adds what the images [begin, end) contribute.
template <class T>
void sum_images(const ConvCall& call, const ConvShape& s, std::int64_t begin, std::int64_t end,
                const Sums<T>& sums) {
  const Frame frame = input_frame(s);
  const std::int64_t line_pitch = s.stride_height * frame.line(s.channels);
  const std::int64_t together = images_together(s.images, s.out_pixels());
  const std::int64_t strip = lines_together(s.out_height, s.out_width);
  std::fill_n(sums.bias, round_up(s.out_channels, lanes<T>), T(0));
  for (std::int64_t first = begin; first < end; first += together) {
    const std::int64_t images = std::min(together, end - first);
    const T* x = framed_input<T>(call.x, s, frame, first, images);
    for (std::int64_t y = 0; y < s.out_height; y += strip) {
      Part<T> part{images, std::min(strip, s.out_height - y), x + y * line_pitch, nullptr};
      part.g =
          packed_gradient<T>(call, s, first * s.out_pixels() + y * s.out_width, part.pixels(s));
      Ahead ahead =
          next_images<T>(call, s, first + images,
                         y + strip < s.out_height ? 0 : std::min(together, end - first - images));
      add_weight_sums(s, frame, part, first + y > begin, sums.weight, ahead);
      if (call.bias.data != nullptr) add_bias_sums(s, part, sums.bias);
    }
  }
}

// Adds the chunks' sums to those of the first, in their order.
template <class T> void fold_chunks(const ConvShape& s, std::int64_t chunks, T* sums) {
  const std::int64_t size = Sums<T>::size(s);
  for (std::int64_t chunk = 1; chunk < chunks; ++chunk) {
    for (std::int64_t i = 0; i < size; i += lanes<T>)
      store(sums + i, load(sums + i) + load(sums + chunk * size + i));
  }
}

// Turns the sums' [row][column] into the weight's [column][row].
template <class T> void write_weight(const ConvCall& call, const ConvShape& s, const T* sums) {
  constexpr int n = lanes<T>;
  const std::int64_t rows = s.taps_size();
  T turned[n * n];
  for (std::int64_t column = 0; column < s.out_channels; column += n) {
    const std::int64_t first = column / block_columns<T> * block_columns<T>;
    const std::int64_t width = vectors_of<T>(s.out_channels - first) * n;
    const int columns = static_cast<int>(std::min<std::int64_t>(n, s.out_channels - column));
    for (std::int64_t row = 0; row < rows; row += n) {
      const int count = static_cast<int>(std::min<std::int64_t>(n, rows - row));
      transpose(sums + first * rows + row * width + (column - first), width, count, columns, turned,
                n);
      for (int c = 0; c < columns; ++c) {
        write_run(turned + c * n, count, call.write,
                  call.weight.as<T>() + (column + c) * rows + row);
      }
    }
  }
}

}  // namespace

template <class T> void conv_weight_gradient(const ConvCall& call, const ConvShape& s) {
  const std::int64_t grain = std::max<std::int64_t>(1, divide_up(s.images, threads()));
  const std::int64_t chunks = std::max<std::int64_t>(1, divide_up(s.images, grain));
  const std::int64_t size = Sums<T>::size(s);
  T* all = scratch<T>(Scratch::sums, chunks * size);
  if (s.images == 0) std::fill_n(all, size, T(0));
  core::parallel_chunks(threads(), s.images, grain, [&](std::int64_t begin, std::int64_t end) {
    sum_images(call, s, begin, end, Sums<T>(all + begin / grain * size, s));
  });
  fold_chunks(s, chunks, all);
  write_weight(call, s, all);
  if (call.bias.data != nullptr) {
    write_run(Sums<T>(all, s).bias, s.out_channels, call.bias_write, call.bias.as<T>());
  }
}

template void conv_weight_gradient<float>(const ConvCall&, const ConvShape&);
template void conv_weight_gradient<double>(const ConvCall&, const ConvShape&);

}  // namespace lockstep::kernels::cpu
