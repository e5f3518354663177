#include "lockstep/data/idx.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <span>
#include <system_error>
#include <vector>

#include "lockstep/base/error.h"
#include "lockstep/tensor/create.h"
#include "src/base/file_descriptor.h"

namespace lockstep::data {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& what,
                         const char* fix = "get the file again") {
  throw IoError({"read_idx: " + file.string() + ": " + what, fix});
}

// The bytes of a file, unpacked where it is compressed.
class Bytes {
 public:
  explicit Bytes(const std::filesystem::path& path)
      : path_(path),
        file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)),
        input_(1 << 16) {
    if (!file_) {
      refuse(path, std::generic_category().message(errno), "check the path and the permissions");
    }
    struct stat status {};
    ::fstat(file_.value(), &status);
    if (!S_ISREG(status.st_mode)) refuse(path, "it is not a file", "give the path of an IDX file");
    refill();
    is_packed_ = available_.size() >= 2 && available_[0] == 0x1f && available_[1] == 0x8b;
    if (is_packed_ && inflateInit2(&stream_, 16 + MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  ~Bytes() {
    if (is_packed_) inflateEnd(&stream_);
  }

  // More than this the file cannot hold: deflate shrinks to 1/1032 at best.
  std::uint64_t most() const {
    struct stat status {};
    ::fstat(file_.value(), &status);
    return static_cast<std::uint64_t>(status.st_size) * (is_packed_ ? 1032 : 1);
  }

  // Fills as much of `to` as there is; the number of bytes.
  std::size_t read(std::span<unsigned char> to) {
    std::size_t done = 0;
    while (done < to.size() && !is_finished_) {
      const std::size_t count = is_packed_ ? unpack(to.subspan(done)) : copy(to.subspan(done));
      done += count;
    }
    return done;
  }

 private:
  void refill() {
    ssize_t count = 0;
    do {
      count = ::read(file_.value(), input_.data(), input_.size());
    } while (count < 0 && errno == EINTR);
    if (count < 0) refuse(path_, std::generic_category().message(errno), "check the disk");
    available_ = {input_.data(), static_cast<std::size_t>(count)};
  }

  std::size_t copy(std::span<unsigned char> to) {
    if (available_.empty()) refill();
    is_finished_ = available_.empty();
    const std::size_t count = std::min(to.size(), available_.size());
    std::copy_n(available_.begin(), count, to.begin());
    available_ = available_.subspan(count);
    return count;
  }

  std::size_t unpack(std::span<unsigned char> to) {
    if (available_.empty()) refill();
    if (available_.empty()) refuse(path_, "the compressed data end too early (a truncated file)");
    stream_.next_in = available_.data();
    stream_.avail_in = static_cast<uInt>(available_.size());
    stream_.next_out = to.data();
    const std::size_t room = std::min<std::size_t>(to.size(), 1U << 30);
    stream_.avail_out = static_cast<uInt>(room);
    const int status = inflate(&stream_, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
      refuse(path_, fmt::format("the compressed data are corrupt ({})",
                                stream_.msg != nullptr ? stream_.msg : zError(status)));
    }
    available_ = available_.last(stream_.avail_in);
    if (status == Z_STREAM_END) finish();
    return room - stream_.avail_out;
  }

  void finish() {
    is_finished_ = true;
    if (available_.empty()) refill();
    if (!available_.empty()) refuse(path_, "something follows the compressed data");
  }

  std::filesystem::path path_;
  FileDescriptor file_;
  std::vector<unsigned char> input_;
  std::span<unsigned char> available_;
  bool is_packed_ = false;
  bool is_finished_ = false;
  z_stream stream_{};
};

void read_exactly(Bytes& bytes, std::span<unsigned char> to, const std::filesystem::path& file,
                  const char* part) {
  const std::size_t count = bytes.read(to);
  if (count != to.size()) {
    refuse(file, fmt::format("it ends after {} of the {} bytes of its {}", count, to.size(), part));
  }
}

std::uint32_t big_endian(std::span<const unsigned char, 4> b) {
  return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
}

DType dtype_of_code(unsigned char code, const std::filesystem::path& file) {
  switch (code) {
    case 0x08:
      return DType::u8;
    case 0x09:
      return DType::i8;
    case 0x0c:
      return DType::i32;
    case 0x0d:
      return DType::f32;
    case 0x0e:
      return DType::f64;
    default:
      refuse(file, fmt::format("element type {:#04x} is not supported", code),
             "convert the file to u8, i8, i32, f32 or f64");
  }
}

Meta read_header(Bytes& bytes, const std::filesystem::path& file) {
  std::array<unsigned char, 4> magic{};
  read_exactly(bytes, magic, file, "header");
  if (magic[0] != 0 || magic[1] != 0) {
    refuse(file, fmt::format("its first bytes are {:02x}, not 00 00: not an IDX file",
                             fmt::join(magic, " ")));
  }
  Meta meta{{}, dtype_of_code(magic[2], file), {}};
  if (magic[3] == 0 || magic[3] > max_rank) {
    refuse(file, fmt::format("it has {} axes", magic[3]), "give a file with 1 to 6 axes");
  }
  std::uint64_t total = size_of(meta.dtype);
  for (int axis = 0; axis < magic[3]; ++axis) {
    std::array<unsigned char, 4> size{};
    read_exactly(bytes, size, file, "header");
    meta.shape.append(big_endian(size));
    if (__builtin_mul_overflow(total, std::uint64_t{big_endian(size)}, &total)) {
      refuse(file, "the sizes of its header are impossible");
    }
  }
  if (total > bytes.most()) {
    refuse(file, fmt::format("its header says {} bytes of elements {}, more than it can hold",
                             total, to_string(meta.shape)));
  }
  return meta;
}

void swap_bytes(std::span<unsigned char> bytes, std::size_t size) {
  if constexpr (std::endian::native == std::endian::little) {
    for (std::size_t i = 0; size > 1 && i < bytes.size(); i += size) {
      std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(i),
                   bytes.begin() + static_cast<std::ptrdiff_t>(i + size));
    }
  }
}

}  // namespace

Tensor read_idx(const std::filesystem::path& file) {
  Bytes bytes(file);
  const Meta meta = read_header(bytes, file);
  Tensor result = empty(meta);
  const std::span<unsigned char> content(static_cast<unsigned char*>(result.view().data),
                                         result.storage()->bytes());
  const std::size_t count = bytes.read(content);
  if (count != content.size()) {
    refuse(file, fmt::format("its header says {} bytes of elements {}, it holds {}", content.size(),
                             to_string(meta.shape), count));
  }
  std::array<unsigned char, 1> more{};
  if (bytes.read(more) != 0) {
    refuse(file, fmt::format("its header says {} bytes of elements {}, it holds more",
                             content.size(), to_string(meta.shape)));
  }
  swap_bytes(content, size_of(meta.dtype));
  return result;
}

}  // namespace lockstep::data
