#include "src/obs/file.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "lockstep/base/error.h"

namespace lockstep::obs {
namespace {

std::string remedy(int reason) {
  switch (reason) {
    case ENOSPC:
    case EDQUOT:
      return "free some space on that disk, or choose another folder";
    case EACCES:
    case EPERM:
    case EROFS:
      return "choose a folder that you may write to";
    case ENOTDIR:
    case EISDIR:
    case EEXIST:
      return "choose another path, or move what is there";
    case ENOENT:
      return "check the path";
    default:
      return "check the path and the disk, or choose another folder";
  }
}

}  // namespace

void fail(std::string_view action, const std::filesystem::path& path, int reason) {
  throw IoError(
      {fmt::format("{} {}: {}", action, path.string(), std::generic_category().message(reason)),
       remedy(reason)});
}

FileDescriptor open_file(const std::filesystem::path& path, int flags) {
  if (path.has_parent_path()) {
    std::error_code status;
    std::filesystem::create_directories(path.parent_path(), status);
    if (status) fail("making the folder", path.parent_path(), status.value());
  }
  FileDescriptor file(::open(path.c_str(), flags | O_CREAT | O_CLOEXEC, 0666));
  if (!file) fail("opening", path, errno);
  return file;
}

void write_all(int descriptor, std::string_view text, const std::filesystem::path& path) {
  while (!text.empty()) {
    const ssize_t count = ::write(descriptor, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("writing", path, errno);
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

std::string read_text(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) fail("reading", path, errno);
  return {std::istreambuf_iterator<char>(stream), {}};
}

Replacement::Replacement(std::filesystem::path path)
    : path_(std::move(path)),
      temporary_(path_.string() + ".tmp"),
      file_(open_file(temporary_, O_WRONLY | O_TRUNC)) {}

Replacement::~Replacement() {
  if (!is_committed_) ::unlink(temporary_.c_str());
}

void Replacement::commit() {
  file_.reset();
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("writing", path_, errno);
  is_committed_ = true;
}

void replace_file(const std::filesystem::path& path, std::string_view text) {
  Replacement replacement(path);
  replacement.write(text);
  replacement.commit();
}

}  // namespace lockstep::obs
