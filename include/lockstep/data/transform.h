// What happens to a sample between its dataset and a batch: normalising, random crops and flips.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "lockstep/core/random.h"
#include "lockstep/tensor/tensor.h"

namespace lockstep::data {

// One step of a list. Called from the loader's helper thread; keeps no state.
class SampleTransform {
 public:
  virtual ~SampleTransform() = default;
  // What apply() makes of a sample like `from`. ShapeError or DTypeError where it cannot.
  virtual Meta output(const Meta& from) const = 0;
  // Both views are contiguous. `random` depends on the seed, the epoch, the sample's index and this
  // transform's place in the list; never on rank, shard or batch.
  virtual void apply(const View& from, const View& to, const core::Words& random) const = 0;
};
using Transform = std::shared_ptr<const SampleTransform>;

// u8, i8 or f32 to f32: (value - mean) / deviation, where u8 is first scaled to 0-1. One mean and
// deviation for all elements, or one for each channel (the last axis).
Transform normalize(std::vector<float> mean, std::vector<float> deviation);

struct CropOptions {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t padding = 0;  // zeros around the image before it is cut
};
// A window at a random place of an image [height, width, channels] of any dtype.
Transform random_crop(const CropOptions& options);
// Left and right exchanged in half of the images [height, width, channels].
Transform random_flip();

}  // namespace lockstep::data
