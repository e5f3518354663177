// Files that appear whole or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string_view>

namespace lockstep::io {

// Written beside `path` under another name; publish() makes it the file of that name. Until then a
// file that was there stays as it is, and what was not published is removed. IoError everywhere
// where the disk refuses.
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(const void* data, std::size_t bytes);
  // Syncs the content, renames, and syncs the folder: after it the file survives a power failure.
  void publish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The same for a short text.
void replace_file(const std::filesystem::path& path, std::string_view text);
// Makes names that were added to, removed from or changed in `folder` durable.
void sync_folder(const std::filesystem::path& folder);

}  // namespace lockstep::io
