// Reads .keras archives, which are zip files, without trusting the sizes that they claim.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "lockstep/base/handle.h"

struct zip;

namespace lockstep::programs {

struct ArchiveTraits {
  using type = zip*;
  static type empty() { return nullptr; }
  static void release(type archive) noexcept;
};

// IoError names the entry that is missing, too large or damaged.
class Archive {
 public:
  explicit Archive(const std::filesystem::path& path);

  std::string text(const char* entry) const;
  void unpack(const char* entry, const std::filesystem::path& to) const;

 private:
  template <class Sink> void read(const char* entry, std::uint64_t limit, const Sink& sink) const;

  Handle<ArchiveTraits> archive_;
  std::uint64_t bytes_ = 0;
};

}  // namespace lockstep::programs
