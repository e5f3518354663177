// The list of what a checkpoint holds: its files with sizes and checksums, and all that is not a
// tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "lockstep/parallel/checkpoint.h"

namespace lockstep::parallel {

// Size and XXH64 of a file.
struct FileSum {
  std::uint64_t bytes = 0;
  std::string xxh64;  // 16 hexadecimal digits

  friend bool operator==(const FileSum&, const FileSum&) = default;
};

// The FileSum of bytes that come piece by piece.
class RunningSum {
 public:
  RunningSum();
  RunningSum(const RunningSum&) = delete;
  RunningSum& operator=(const RunningSum&) = delete;
  ~RunningSum();

  void add(const void* data, std::size_t bytes);
  FileSum sum() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct Manifest {
  Progress progress;
  Configuration configuration;
  std::map<std::string, FileSum> files;  // by name
};

inline constexpr const char* manifest_name = "manifest.json";

FileSum sum_of(const std::filesystem::path& file);
// JSON that carries a checksum of itself.
std::string text_of(const Manifest& manifest);
// The inverse. IoError about `file` where the text is damaged or of another version.
Manifest manifest_from(const std::string& text, const std::filesystem::path& file);

}  // namespace lockstep::parallel
