// The sliding product that convolutions forward and backward are made of: every result pixel is the
// product of a patch of a framed image with packed weights.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/pack.h"
#include "kernels/cpu/tile.h"

namespace lockstep::kernels::cpu {

// A raster of result pixels: where the patch of pixel (image, y, x) starts, and where its result
// goes.
struct Raster {
  std::int64_t images = 0, lines = 0, pixels = 0;
  std::int64_t in_image = 0, in_line = 0, in_pixel = 0;
  std::int64_t out_image = 0, out_line = 0, out_pixel = 0;

  std::int64_t size() const { return images * lines * pixels; }
};

// A patch: `lines` runs of `length` contiguous elements.
struct Patch {
  std::int64_t lines = 0, length = 0, line_pitch = 0;

  std::int64_t size() const { return lines * length; }
};

template <class T> class Pixels {
 public:
  Pixels(const Raster& raster, const T* in, T* out) : raster_(raster), in_(in), out_(out) {}

  void next(int count, const T** rows, T** out) {
    for (int r = 0; r < count; ++r) {
      rows[r] = in_ + in_at_;
      out[r] = out_ + out_at_;
      in_at_ += raster_.in_pixel;
      out_at_ += raster_.out_pixel;
      if (++pixel_ == raster_.pixels) next_line();
    }
  }

 private:
  void next_line() {
    pixel_ = 0;
    if (++line_ == raster_.lines) {
      line_ = 0;
      ++image_;
    }
    in_at_ = image_ * raster_.in_image + line_ * raster_.in_line;
    out_at_ = image_ * raster_.out_image + line_ * raster_.out_line;
  }

  const Raster& raster_;
  const T* in_;
  T* out_;
  std::int64_t pixel_ = 0, line_ = 0, image_ = 0, in_at_ = 0, out_at_ = 0;
};

// out[pixel][c] (+)= patch(pixel) . packed[.][c], for c < columns. `finish` says what happens to
// the result; its bias is readable up to the last block's end.
template <class T>
void correlate(const Raster& raster, const Patch& patch, const T* in, const T* packed,
               std::int64_t columns, T* out, Finish<T> finish) {
  const T* bias = finish.bias;
  for (std::int64_t column = 0; column < columns; column += block_columns<T>) {
    const int vectors = vectors_of<T>(columns - column);
    const std::int64_t width = vectors * lanes<T>;
    const Walk walk{.lines = patch.lines,
                    .steps = patch.length,
                    .line_pitch = patch.line_pitch,
                    .right_pitch = width};
    finish.columns = static_cast<int>(std::min(width, columns - column));
    finish.bias = bias != nullptr ? bias + column : nullptr;
    Pixels<T> pixels(raster, in, out + column);
    for (std::int64_t left = raster.size(); left > 0; left -= tile_rows) {
      const T* rows[tile_rows];
      T* results[tile_rows];
      const int count = static_cast<int>(std::min<std::int64_t>(left, tile_rows));
      pixels.next(count, rows, results);
      run_tile(rows, count, vectors, packed, walk, results, finish);
    }
    packed += width * patch.size();
  }
}

}  // namespace lockstep::kernels::cpu
