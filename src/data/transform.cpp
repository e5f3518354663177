#include "lockstep/data/transform.h"

#include <algorithm>
#include <cstring>

#include "lockstep/base/error.h"

namespace lockstep::data {
namespace {

std::string description(const Meta& meta) {
  return std::string(name_of(meta.dtype)) + " " + to_string(meta.shape);
}

void check_is_image(const char* transform, const Meta& from) {
  check<ShapeError>(from.shape.rank() == 3, [&] {
    return Complaint{std::string(transform) + ": a sample is " + description(from),
                     "give images [height, width, channels]"};
  });
}

// A number below `bound` from one random word.
std::int64_t below(std::int64_t bound, std::uint32_t word) {
  return static_cast<std::int64_t>((std::uint64_t{word} * static_cast<std::uint64_t>(bound)) >> 32);
}

class Normalize final : public SampleTransform {
 public:
  Normalize(std::vector<float> mean, std::vector<float> deviation)
      : mean_(std::move(mean)), deviation_(std::move(deviation)) {}

  Meta output(const Meta& from) const override {
    const int rank = from.shape.rank();
    const std::int64_t channels = rank == 0 ? 1 : from.shape[rank - 1];
    const auto given = static_cast<std::int64_t>(mean_.size());
    check<ShapeError>(given == 1 || given == channels, [&] {
      return Complaint{
          "normalize: " + std::to_string(given) + " means for samples " + description(from),
          "give one mean and deviation, or one for each of the " + std::to_string(channels) +
              " channels"};
    });
    check<DTypeError>(
        from.dtype == DType::u8 || from.dtype == DType::i8 || from.dtype == DType::f32, [&] {
          return Complaint{"normalize: samples of " + std::string(name_of(from.dtype)),
                           "give samples of u8, i8 or f32"};
        });
    return {from.shape, DType::f32, from.device};
  }

  void apply(const View& from, const View& to, const core::Words& /*random*/) const override {
    if (from.dtype == DType::u8) {
      scale<std::uint8_t>(from, to, 1.0 / 255);
    } else if (from.dtype == DType::i8) {
      scale<std::int8_t>(from, to, 1);
    } else {
      scale<float>(from, to, 1);
    }
  }

 private:
  template <class T> void scale(const View& from, const View& to, double unit) const {
    const std::size_t channels = mean_.size();
    const auto count = static_cast<std::size_t>(from.elements());
    for (std::size_t c = 0; c < channels; ++c) {
      const auto factor = static_cast<float>(unit / deviation_[c]);
      const auto offset = static_cast<float>(-double{mean_[c]} / deviation_[c]);
      const T* const in = from.as<const T>();
      float* const out = to.as<float>();
      if (channels == 1) {
        for (std::size_t i = 0; i < count; ++i) {
          out[i] = static_cast<float>(in[i]) * factor + offset;
        }
      } else {
        for (std::size_t i = c; i < count; i += channels) {
          out[i] = static_cast<float>(in[i]) * factor + offset;
        }
      }
    }
  }

  std::vector<float> mean_;
  std::vector<float> deviation_;
};

class RandomCrop final : public SampleTransform {
 public:
  explicit RandomCrop(const CropOptions& options) : options_(options) {}

  Meta output(const Meta& from) const override {
    check_is_image("random_crop", from);
    const auto [height, width, padding] = options_;
    check<ShapeError>(
        height <= from.shape[0] + 2 * padding && width <= from.shape[1] + 2 * padding, [&] {
          return Complaint{"random_crop: " + std::to_string(height) + " x " +
                               std::to_string(width) + " from samples " + description(from) +
                               " padded by " + std::to_string(padding),
                           "crop less, or pad more"};
        });
    return {{height, width, from.shape[2]}, from.dtype, from.device};
  }

  void apply(const View& from, const View& to, const core::Words& random) const override {
    const auto [height, width, padding] = options_;
    const std::int64_t top = below(from.sizes[0] + 2 * padding - height + 1, random[0]) - padding;
    const std::int64_t left = below(from.sizes[1] + 2 * padding - width + 1, random[1]) - padding;
    const std::size_t pixel = static_cast<std::size_t>(from.sizes[2]) * size_of(from.dtype);
    const auto row_bytes = static_cast<std::size_t>(width) * pixel;
    // Columns of the result that lie within the image.
    const std::int64_t begin = std::clamp<std::int64_t>(-left, 0, width);
    const std::int64_t end = std::clamp<std::int64_t>(from.sizes[1] - left, begin, width);
    for (std::int64_t row = 0; row < height; ++row) {
      std::byte* const out = to.as<std::byte>() + static_cast<std::size_t>(row) * row_bytes;
      if (begin > 0 || end < width || top + row < 0 || top + row >= from.sizes[0]) {
        std::memset(out, 0, row_bytes);
      }
      if (top + row < 0 || top + row >= from.sizes[0] || begin == end) continue;
      const std::int64_t first = (top + row) * from.sizes[1] + left + begin;
      std::memcpy(out + static_cast<std::size_t>(begin) * pixel,
                  from.as<std::byte>() + static_cast<std::size_t>(first) * pixel,
                  static_cast<std::size_t>(end - begin) * pixel);
    }
  }

 private:
  CropOptions options_;
};

class RandomFlip final : public SampleTransform {
 public:
  Meta output(const Meta& from) const override {
    check_is_image("random_flip", from);
    return from;
  }

  void apply(const View& from, const View& to, const core::Words& random) const override {
    const std::size_t pixel = static_cast<std::size_t>(from.sizes[2]) * size_of(from.dtype);
    const auto width = static_cast<std::size_t>(from.sizes[1]);
    const auto rows = static_cast<std::size_t>(from.sizes[0]);
    if (random[0] >> 31 == 0) {
      std::memcpy(to.data, from.data, rows * width * pixel);
      return;
    }
    for (std::size_t row = 0; row < rows; ++row) {
      const std::byte* const in = from.as<std::byte>() + row * width * pixel;
      std::byte* const out = to.as<std::byte>() + row * width * pixel;
      for (std::size_t column = 0; column < width; ++column) {
        std::memcpy(out + column * pixel, in + (width - 1 - column) * pixel, pixel);
      }
    }
  }
};

}  // namespace

Transform normalize(std::vector<float> mean, std::vector<float> deviation) {
  check<UsageError>(!mean.empty() && mean.size() == deviation.size(), [&] {
    return Complaint{"normalize: " + std::to_string(mean.size()) + " means and " +
                         std::to_string(deviation.size()) + " deviations",
                     "give one of each, or one of each for every channel"};
  });
  for (const float each : deviation) {
    check<UsageError>(each > 0, [&] {
      return Complaint{"normalize: a deviation of " + std::to_string(each),
                       "give deviations above 0"};
    });
  }
  return std::make_shared<const Normalize>(std::move(mean), std::move(deviation));
}

Transform random_crop(const CropOptions& options) {
  check<UsageError>(options.height > 0 && options.width > 0 && options.padding >= 0, [&] {
    return Complaint{"random_crop: height " + std::to_string(options.height) + ", width " +
                         std::to_string(options.width) + ", padding " +
                         std::to_string(options.padding),
                     "give a height and width above 0 and a padding of 0 or more"};
  });
  return std::make_shared<const RandomCrop>(options);
}

Transform random_flip() { return std::make_shared<const RandomFlip>(); }

}  // namespace lockstep::data
