#include <algorithm>

#include "lockstep/base/config.h"
#include "lockstep/base/error.h"
#include "lockstep/data/dataset.h"
#include "lockstep/data/idx.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"

namespace lockstep::data {
namespace {

namespace fs = std::filesystem;

constexpr const char* remedy =
    "install the package dataset-fashion-mnist (apt-get install dataset-fashion-mnist), or name a "
    "folder that holds its four files with LOCKSTEP_DATA";

fs::path folder_of(const fs::path& wanted) {
  if (!wanted.empty()) return wanted;
  if (const auto data = setting("LOCKSTEP_DATA")) {
    const fs::path below = fs::path(*data) / "fashion-mnist";
    return fs::is_directory(below) ? below : fs::path(*data);
  }
  return "/usr/share/datasets/fashion-mnist";
}

// The file as it is packaged, or unpacked.
Tensor read_part(const fs::path& folder, const std::string& name) {
  const fs::path packed = folder / (name + ".gz");
  const fs::path file = !fs::exists(packed) && fs::exists(folder / name) ? folder / name : packed;
  try {
    return read_idx(file);
  } catch (const IoError& error) {
    throw IoError({"fashion_mnist: " + error.problem(), remedy});
  }
}

void check_is_set(bool status, const fs::path& folder, const std::string& what) {
  check<IoError>(status, [&] {
    return Complaint{"fashion_mnist: " + folder.string() + " does not hold Fashion-MNIST: " + what,
                     remedy};
  });
}

Tensor labels_as_i64(const Tensor& labels, const fs::path& folder) {
  const std::uint8_t* from = labels.data<std::uint8_t>();
  const auto* end = from + labels.elements();
  check_is_set(std::all_of(from, end, [](std::uint8_t label) { return label < 10; }), folder,
               "a label is above 9");
  Tensor result = empty(labels.shape(), {.dtype = DType::i64});
  std::copy(from, end, result.data<std::int64_t>());
  return result;
}

}  // namespace

DatasetPointer fashion_mnist(Split split, const fs::path& wanted) {
  const fs::path folder = folder_of(wanted);
  const std::string prefix = split == Split::train ? "train" : "t10k";
  const Tensor images = read_part(folder, prefix + "-images-idx3-ubyte");
  const Tensor labels = read_part(folder, prefix + "-labels-idx1-ubyte");
  check_is_set(images.dtype() == DType::u8 && images.rank() == 3 && images.shape()[1] == 28 &&
                   images.shape()[2] == 28,
               folder,
               "the images are " + std::string(name_of(images.dtype())) + " " +
                   to_string(images.shape()) + ", not u8 [n, 28, 28]");
  check_is_set(labels.dtype() == DType::u8 && labels.rank() == 1, folder,
               "the labels are " + std::string(name_of(labels.dtype())) + " " +
                   to_string(labels.shape()) + ", not u8 [n]");
  check_is_set(images.shape()[0] == labels.shape()[0], folder,
               "it has " + std::to_string(images.shape()[0]) + " images and " +
                   std::to_string(labels.shape()[0]) + " labels");
  return in_memory(reshaped_view(images, {images.shape()[0], 28, 28, 1}),
                   labels_as_i64(labels, folder));
}

}  // namespace lockstep::data
