#include "src/programs/import_keras/archive.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <zip.h>

#include <string_view>
#include <vector>

#include "src/obs/file.h"
#include "src/programs/import_keras/refuse.h"

namespace lockstep::programs {
namespace {

struct EntryTraits {
  using type = zip_file_t*;
  static type empty() { return nullptr; }
  static void release(type entry) noexcept { zip_fclose(entry); }
};

constexpr std::uint64_t largest_text = 64U << 20U;
// Keras stores weights uncompressed, and trained ones hardly shrink.
constexpr std::uint64_t largest_ratio = 20;

}  // namespace

void ArchiveTraits::release(type archive) noexcept { zip_discard(archive); }

Archive::Archive(const std::filesystem::path& path) {
  int reason = 0;
  zip* opened = zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &reason);
  if (opened == nullptr) {
    refuse(path.string() + " is not a readable zip archive",
           "give a .keras file that model.save() wrote, not truncated");
  }
  archive_ = Handle<ArchiveTraits>(opened);
  bytes_ = std::filesystem::file_size(path);
}

template <class Sink>
void Archive::read(const char* entry, std::uint64_t limit, const Sink& sink) const {
  const Handle<EntryTraits> file(zip_fopen(archive_.value(), entry, 0));
  if (!file) refuse(fmt::format("the archive lacks a readable {}", entry));
  std::vector<char> piece(1U << 18U);
  std::uint64_t total = 0;
  for (;;) {
    const zip_int64_t count = zip_fread(file.value(), piece.data(), piece.size());
    if (count < 0) refuse(fmt::format("{} within the archive is damaged", entry), "copy it again");
    if (count == 0) return;
    total += static_cast<std::uint64_t>(count);
    if (total > limit) {
      refuse(fmt::format("{} within the archive unpacks to more than {} bytes", entry, limit),
             "the archive is damaged or made to fill the disk");
    }
    sink(std::string_view(piece.data(), static_cast<std::size_t>(count)));
  }
}

std::string Archive::text(const char* entry) const {
  std::string all;
  read(entry, largest_text, [&](std::string_view piece) { all += piece; });
  return all;
}

void Archive::unpack(const char* entry, const std::filesystem::path& to) const {
  const FileDescriptor file = obs::open_file(to, O_WRONLY | O_EXCL);
  read(entry, largest_ratio * bytes_,
       [&](std::string_view piece) { obs::write_all(file.value(), piece, to); });
}

}  // namespace lockstep::programs
