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

// A folder, and what to do where it does not hold the set.
struct Source {
  fs::path folder;
  std::string remedy;
};

Source source_of(const fs::path& wanted) {
  const std::string package =
      "the package dataset-fashion-mnist (apt-get install dataset-fashion-mnist)";
  if (!wanted.empty()) {
    return {wanted, "name the folder that holds Fashion-MNIST's four files, or none for those of " +
                        package};
  }
  const std::string remedy =
      "install " + package + ", or name a folder that holds its four files with LOCKSTEP_DATA";
  if (const auto data = setting("LOCKSTEP_DATA")) {
    const fs::path below = fs::path(*data) / "fashion-mnist";
    return {fs::is_directory(below) ? below : fs::path(*data), remedy};
  }
  return {"/usr/share/datasets/fashion-mnist", remedy};
}

// The file as it is packaged, or unpacked.
Tensor read_part(const Source& source, const std::string& name) {
  const fs::path& folder = source.folder;
  const fs::path packed = folder / (name + ".gz");
  const fs::path file = !fs::exists(packed) && fs::exists(folder / name) ? folder / name : packed;
  try {
    return read_idx(file);
  } catch (const IoError& error) {
    throw IoError({"fashion_mnist: " + error.problem(), source.remedy});
  }
}

void check_is_set(bool status, const Source& source, const std::string& what) {
  check<IoError>(status, [&] {
    return Complaint{
        "fashion_mnist: " + source.folder.string() + " does not hold Fashion-MNIST: " + what,
        source.remedy};
  });
}

Tensor labels_as_i64(const Tensor& labels, const Source& source) {
  const std::uint8_t* from = labels.data<std::uint8_t>();
  const auto* end = from + labels.elements();
  check_is_set(std::all_of(from, end, [](std::uint8_t label) { return label < 10; }), source,
               "a label is above 9");
  Tensor result = empty(labels.shape(), {.dtype = DType::i64});
  std::copy(from, end, result.data<std::int64_t>());
  return result;
}

}  // namespace

DatasetPointer fashion_mnist(Split split, const fs::path& wanted) {
  const Source source = source_of(wanted);
  const std::string prefix = split == Split::train ? "train" : "t10k";
  const Tensor images = read_part(source, prefix + "-images-idx3-ubyte");
  const Tensor labels = read_part(source, prefix + "-labels-idx1-ubyte");
  check_is_set(images.dtype() == DType::u8 && images.rank() == 3 && images.shape()[1] == 28 &&
                   images.shape()[2] == 28,
               source,
               "the images are " + std::string(name_of(images.dtype())) + " " +
                   to_string(images.shape()) + ", not u8 [n, 28, 28]");
  check_is_set(labels.dtype() == DType::u8 && labels.rank() == 1, source,
               "the labels are " + std::string(name_of(labels.dtype())) + " " +
                   to_string(labels.shape()) + ", not u8 [n]");
  check_is_set(images.shape()[0] == labels.shape()[0], source,
               "it has " + std::to_string(images.shape()[0]) + " images and " +
                   std::to_string(labels.shape()[0]) + " labels");
  return in_memory(reshaped_view(images, {images.shape()[0], 28, 28, 1}),
                   labels_as_i64(labels, source));
}

}  // namespace lockstep::data
