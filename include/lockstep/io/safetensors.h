// Named tensors in files that Python's safetensors package and others read and write too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lockstep/tensor/state.h"

namespace lockstep::io {

// Texts by name that travel with the tensors.
using Metadata = std::map<std::string, std::string>;
// Sees the bytes of a file in their order while they are written.
using Watch = std::function<void(const void* data, std::size_t bytes)>;

// Replaces `file` in one step: written beside it, synced and renamed, so that a failure leaves the
// old file as it was. UsageError for a name given twice, IoError where the disk refuses.
void save_safetensors(const std::filesystem::path& file, const State& tensors,
                      const Metadata& metadata = {}, const Watch& watch = {});

// All tensors, in the order of the file, in host memory. To load into an existing model use
// SafetensorsFile::load.
State load_safetensors(const std::filesystem::path& file);

// An open file, its header checked: every byte of it belongs to exactly one tensor.
class SafetensorsFile {
 public:
  struct Entry {
    std::string name;
    DType dtype = DType::f32;
    Shape shape;
    std::uint64_t begin = 0;  // of its bytes, from the start of the file
    std::uint64_t bytes = 0;
  };

  // IoError names the file and what is wrong with it. No tensor is read yet.
  explicit SafetensorsFile(const std::filesystem::path& file);
  SafetensorsFile(SafetensorsFile&&) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&&) noexcept;
  ~SafetensorsFile();

  const Metadata& metadata() const;
  // In the order of their bytes.
  const std::vector<Entry>& entries() const;
  bool contains(const std::string& name) const;

  // UsageError for a name that the file does not have.
  Tensor read(const std::string& name) const;
  // Reads every tensor of the file into the tensor of `into` with the same name, shape and dtype,
  // straight into its memory. UsageError names the first missing, extra or misshapen one and reads
  // nothing then.
  void load(const State& into) const;
  // What load() checks.
  void check_matches(const State& into) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep::io
