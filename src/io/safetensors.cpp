#include "lockstep/io/safetensors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <unordered_map>
#include <unordered_set>

#include "lockstep/base/error.h"
#include "lockstep/io/atomic_file.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"
#include "src/io/safetensors_header.h"
#include "src/obs/file.h"

namespace lockstep::io {
namespace {

using Entry = SafetensorsFile::Entry;

std::string description(DType dtype, const Shape& shape) {
  return fmt::format("{} {}", name_of(dtype), to_string(shape));
}

// Like Python's package: wide elements first, so that each tensor is aligned to its elements.
State in_file_order(State tensors) {
  std::stable_sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return size_of(a.second.dtype()) > size_of(b.second.dtype());
  });
  return tensors;
}

Tensor on_host(const Tensor& x) {
  const Tensor there = x.device() == Device{} ? x : copied_to(x, Device{});
  return there.is_contiguous() ? there : copied(there);
}

// In pieces that stay in the cache between the two who read them.
void write_watched(AtomicFile& file, const void* data, std::size_t bytes, const Watch& watch) {
  constexpr std::size_t piece = 256 * 1024;
  const auto* from = static_cast<const std::byte*>(data);
  for (std::size_t done = 0; done < bytes; done += piece) {
    const std::size_t count = std::min(piece, bytes - done);
    file.write(from + done, count);
    if (watch) watch(from + done, count);
  }
}

// A byte other than 0 and 1 is no bool to the compiler.
void check_bools(const Tensor& x, const Entry& entry, const std::filesystem::path& file) {
  if (entry.dtype != DType::boolean) return;
  const auto* bytes = static_cast<const unsigned char*>(x.view().data);
  const auto* const odd =
      std::find_if(bytes, bytes + entry.bytes, [](unsigned char b) { return b > 1; });
  if (odd != bytes + entry.bytes) {
    refuse(file, fmt::format("element {} of the bool tensor \"{}\" is {}", odd - bytes, entry.name,
                             *odd));
  }
}

}  // namespace

struct SafetensorsFile::Impl {
  std::filesystem::path path;
  FileDescriptor file;
  SafetensorsHeader header;
  std::unordered_map<std::string, std::size_t> places;

  void read_bytes(void* to, std::uint64_t bytes, std::uint64_t from) const {
    auto* target = static_cast<char*>(to);
    while (bytes > 0) {
      const std::size_t wanted = std::min<std::uint64_t>(bytes, 1U << 30);
      const ssize_t count = ::pread(file.value(), target, wanted, static_cast<off_t>(from));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) obs::fail("reading", path, errno);
      if (count == 0) refuse(path, fmt::format("it ends before byte {}", from + bytes));
      target += count;
      from += static_cast<std::uint64_t>(count);
      bytes -= static_cast<std::uint64_t>(count);
    }
  }

  void open() {
    file = FileDescriptor(
        ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a pipe does not block
    struct stat status {};
    if (!file || ::fstat(file.value(), &status) != 0) obs::fail("opening", path, errno);
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (!S_ISREG(status.st_mode)) refuse(path, "it is not a file");
    if (size < 8)
      refuse(path, fmt::format("it holds {} bytes, fewer than the 8 of a length", size));
    read_header(size);
  }

  void read_header(std::uint64_t size) {
    std::array<unsigned char, 8> prefix{};
    read_bytes(prefix.data(), prefix.size(), 0);
    std::uint64_t length = 0;
    for (std::size_t i = 8; i-- > 0;) length = length << 8 | prefix[i];
    if (length > largest_header) {
      refuse(path, fmt::format("its header claims {} bytes, more than the format's limit of {}",
                               length, largest_header));
    }
    if (length > size - 8) {
      refuse(path, fmt::format("its header claims {} bytes, it holds {}", length, size - 8));
    }
    std::string text(length, '\0');
    read_bytes(text.data(), length, 8);
    header = parse_header(text, size - 8 - length, path);
    for (std::size_t i = 0; i < header.entries.size(); ++i) {
      header.entries[i].begin += 8 + length;
      places[header.entries[i].name] = i;
    }
  }

  // `x` is contiguous and in host memory.
  void fill(const Tensor& x, const Entry& entry) const {
    read_bytes(x.view().data, entry.bytes, entry.begin);
    check_bools(x, entry, path);
    x.mark_mutated();
  }

  Tensor read(const Entry& entry) const {
    Tensor x = empty({entry.shape, entry.dtype, {}});
    fill(x, entry);
    return x;
  }

  void read_into(const Tensor& x, const Entry& entry) const {
    if (x.device() == Device{} && x.is_contiguous()) return fill(x, entry);
    const Tensor here = read(entry);
    copy_elements(x.device() == Device{} ? here : copied_to(here, x.device()), x);
  }
};

SafetensorsFile::SafetensorsFile(const std::filesystem::path& file)
    : impl_(std::make_unique<Impl>()) {
  impl_->path = file;
  impl_->open();
}

SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;
SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&&) noexcept = default;
SafetensorsFile::~SafetensorsFile() = default;

const Metadata& SafetensorsFile::metadata() const { return impl_->header.metadata; }
const std::vector<Entry>& SafetensorsFile::entries() const { return impl_->header.entries; }
bool SafetensorsFile::contains(const std::string& name) const {
  return impl_->places.contains(name);
}

Tensor SafetensorsFile::read(const std::string& name) const {
  const auto place = impl_->places.find(name);
  check<UsageError>(place != impl_->places.end(), [&] {
    return Complaint{
        fmt::format("safetensors: {} has no tensor \"{}\"", impl_->path.string(), name),
        "ask for one of its entries()"};
  });
  return impl_->read(entries()[place->second]);
}

void SafetensorsFile::check_matches(const State& into) const {
  const auto complain = [&](const std::string& what) {
    return Complaint{fmt::format("safetensors: {}: {}", impl_->path.string(), what),
                     "load a file that was saved from the same model"};
  };
  std::unordered_set<std::string> names;
  for (const auto& [name, x] : into) {
    names.insert(name);
    const auto place = impl_->places.find(name);
    if (place == impl_->places.end()) throw UsageError(complain("it lacks \"" + name + "\""));
    const Entry& entry = entries()[place->second];
    if (entry.shape == x.shape() && entry.dtype == x.dtype()) continue;
    throw UsageError(complain(fmt::format("\"{}\" is {}, but {} here", name,
                                          description(entry.dtype, entry.shape),
                                          description(x.dtype(), x.shape()))));
  }
  for (const Entry& entry : entries()) {
    if (names.contains(entry.name)) continue;
    throw UsageError(complain("\"" + entry.name + "\" has no place here"));
  }
}

void SafetensorsFile::load(const State& into) const {
  check_matches(into);
  for (const auto& [name, x] : into) impl_->read_into(x, entries()[impl_->places.at(name)]);
}

void save_safetensors(const std::filesystem::path& path, const State& tensors,
                      const Metadata& metadata, const Watch& watch) {
  const State ordered = in_file_order(tensors);
  const std::string header = header_of(ordered, metadata);
  check<UsageError>(header.size() <= largest_header, [&] {
    return Complaint{fmt::format("save_safetensors: a header of {} bytes", header.size()),
                     "save fewer tensors or shorter metadata in one file"};
  });
  std::array<unsigned char, 8> length{};
  for (std::size_t i = 0; i < 8; ++i) {
    length[i] = static_cast<unsigned char>(header.size() >> 8 * i);
  }
  AtomicFile file(path);
  write_watched(file, length.data(), length.size(), watch);
  write_watched(file, header.data(), header.size(), watch);
  for (const auto& [name, x] : ordered) {
    const Tensor host = on_host(x);
    write_watched(file, host.view().data,
                  static_cast<std::size_t>(x.elements()) * size_of(x.dtype()), watch);
  }
  file.publish();
}

State load_safetensors(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  State tensors;
  for (const Entry& entry : file.entries()) tensors.emplace_back(entry.name, file.read(entry.name));
  return tensors;
}

}  // namespace lockstep::io
