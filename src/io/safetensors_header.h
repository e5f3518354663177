// The JSON header of safetensors files: made, and taken apart with suspicion.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lockstep/io/safetensors.h"

namespace lockstep::io {

struct SafetensorsHeader {
  Metadata metadata;
  std::vector<SafetensorsFile::Entry> entries;  // by position; `begin` counts from the first tensor
};

// The format's own limit.
inline constexpr std::uint64_t largest_header = 100'000'000;

// IoError unless `json` is a header whose tensors cover `payload` bytes without gap or overlap.
SafetensorsHeader parse_header(const std::string& json, std::uint64_t payload,
                               const std::filesystem::path& file);

// The header's text, padded with spaces to a multiple of 8. UsageError for a name given twice or
// texts that are not UTF-8.
std::string header_of(const State& in_file_order, const Metadata& metadata);

// IoError about `file`.
[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& what);

}  // namespace lockstep::io
