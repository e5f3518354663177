// Reads HDF5 files that nobody vouches for: plain groups and datasets within the file, no links
// that lead elsewhere, no code from elsewhere, no more bytes than the file can hold.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lockstep/base/handle.h"
#include "lockstep/tensor/tensor.h"

namespace lockstep::programs {

struct Hdf5FileTraits {
  using type = std::int64_t;  // hid_t
  static type empty() { return -1; }
  static void release(type id) noexcept;
};

// Paths are components joined by '/'. IoError names the path and what is wrong with it.
class Hdf5File {
 public:
  explicit Hdf5File(const std::filesystem::path& path);

  bool contains(const std::string& path) const;
  // Names of what a group holds, in their order.
  std::vector<std::string> members(const std::string& group) const;
  bool has_attribute(const std::string& group, const std::string& name) const;
  std::string text(const std::string& group, const std::string& attribute) const;
  std::vector<std::string> texts(const std::string& group, const std::string& attribute) const;
  // IoError also where the elements are no floating-point numbers or more than the file can hold.
  std::vector<std::int64_t> shape(const std::string& dataset) const;
  // Converts the elements into the f32 tensor `to`, whose shape is the dataset's, piece by piece:
  // its strides may be any.
  void read(const std::string& dataset, const Tensor& to) const;

 private:
  Handle<Hdf5FileTraits> file_;
};

}  // namespace lockstep::programs
