// Sets of samples that a loader reads by index: in memory, or of your own making.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "lockstep/tensor/tensor.h"

namespace lockstep::data {

// Samples of one shape, each with a target. Reading is safe from several threads at once.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::int64_t count() const = 0;
  // Shape and dtype of one sample's input and of its target.
  virtual Meta x() const = 0;
  virtual Meta y() const = 0;
  // Writes sample `index`, 0 <= index < count(), row-major.
  virtual void read(std::int64_t index, std::byte* x, std::byte* y) const = 0;
};
using DatasetPointer = std::shared_ptr<const Dataset>;

// Row i of `x` with row i of `y`; shares their memory where they are contiguous. ShapeError unless
// both have the same number of rows, DeviceError unless both are in host memory.
DatasetPointer in_memory(const Tensor& x, const Tensor& y);

enum class Split : std::uint8_t { train, test };

// Fashion-MNIST (Xiao, Rasul, Vollgraf, 2017): 60,000 or 10,000 images, u8 [28, 28, 1], labels 0-9
// as i64. Looked for in `folder`, else in LOCKSTEP_DATA, else where Debian's dataset-fashion-mnist
// puts it. IoError names the file, what is wrong with it and where to get it.
DatasetPointer fashion_mnist(Split split = Split::train, const std::filesystem::path& folder = {});

// Of all training images, on the scale 0-1: for normalize().
inline constexpr float fashion_mnist_mean = 0.2860F;
inline constexpr float fashion_mnist_deviation = 0.3530F;

}  // namespace lockstep::data
