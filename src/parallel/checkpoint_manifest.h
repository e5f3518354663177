// The list of what a checkpoint holds: its files with sizes and checksums, and all that is not a
// tensor.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "lockstep/parallel/checkpoint.h"

namespace lockstep::parallel {

// Size and XXH64 of a file.
struct FileSum {
  std::uint64_t bytes = 0;
  std::string xxh64;  // 16 hexadecimal digits

  friend bool operator==(const FileSum&, const FileSum&) = default;
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
