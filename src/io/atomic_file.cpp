#include "lockstep/io/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <string>

#include "src/obs/file.h"

namespace lockstep::io {
namespace {

std::filesystem::path temporary_name(const std::filesystem::path& path) {
  static std::atomic<unsigned> count{0};
  return path.string() + ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(count++);
}

}  // namespace

struct AtomicFile::Impl {
  std::filesystem::path path;
  std::filesystem::path temporary;
  FileDescriptor file;
};

AtomicFile::AtomicFile(const std::filesystem::path& path)
    : impl_(std::make_unique<Impl>(Impl{path, temporary_name(path), {}})) {
  impl_->file = obs::open_file(impl_->temporary, O_WRONLY | O_TRUNC);
}

AtomicFile::~AtomicFile() {
  if (impl_->file) ::unlink(impl_->temporary.c_str());
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  obs::write_all(impl_->file.value(), {static_cast<const char*>(data), bytes}, impl_->path);
}

void AtomicFile::publish() {
  const auto& path = impl_->path;
  if (::fsync(impl_->file.value()) != 0) obs::fail("writing", path, errno);
  if (std::rename(impl_->temporary.c_str(), path.c_str()) != 0) obs::fail("writing", path, errno);
  impl_->file.reset();
  sync_folder(path.parent_path());
}

void replace_file(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text.data(), text.size());
  file.publish();
}

void sync_folder(const std::filesystem::path& folder) {
  const std::filesystem::path place = folder.empty() ? "." : folder;
  const FileDescriptor handle(::open(place.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!handle) obs::fail("opening", place, errno);
  // Some network file systems cannot sync folders and say so with EINVAL.
  if (::fsync(handle.value()) != 0 && errno != EINVAL) obs::fail("syncing", place, errno);
}

}  // namespace lockstep::io
