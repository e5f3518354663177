// Files that report every failure as an IoError with the system's reason.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "src/base/file_descriptor.h"

namespace lockstep::obs {

// IoError: what was done to which path, the system's reason, and what helps against it.
[[noreturn]] void fail(std::string_view action, const std::filesystem::path& path, int reason);

// O_CREAT with `flags`; makes the folder where needed.
FileDescriptor open_file(const std::filesystem::path& path, int flags);
// All of `text`, in as few calls as the system needs.
void write_all(int descriptor, std::string_view text, const std::filesystem::path& path);
std::string read_text(const std::filesystem::path& path);
// A file written piece by piece beside `path`; commit() renames it over `path`, and without one
// nothing of it stays.
class Replacement {
 public:
  explicit Replacement(std::filesystem::path path);
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;
  ~Replacement();

  void write(std::string_view text) { write_all(file_.value(), text, temporary_); }
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  FileDescriptor file_;
  bool is_committed_ = false;
};

// Beside `path`, then renamed over it.
void replace_file(const std::filesystem::path& path, std::string_view text);

}  // namespace lockstep::obs
