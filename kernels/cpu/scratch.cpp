#include "kernels/cpu/scratch.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

namespace lockstep::kernels::cpu {
namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;

class Block {
 public:
  Block() = default;
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() { std::free(data_); }

  void* at_least(std::size_t bytes) {
    if (bytes > size_) grow(bytes);
    return data_;
  }

 private:
  void grow(std::size_t bytes) {
    std::free(data_);
    data_ = nullptr;
    size_ = 0;
    const std::size_t alignment = bytes >= huge_page ? huge_page : 64;
    const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    data_ = std::aligned_alloc(alignment, rounded);
    if (data_ == nullptr) throw std::bad_alloc();
    size_ = rounded;
    // Only a hint: fewer translations where the system grants large pages.
    if (alignment == huge_page) madvise(data_, rounded, MADV_HUGEPAGE);
  }

  void* data_ = nullptr;
  std::size_t size_ = 0;
};

thread_local Block blocks[scratch_purposes];

}  // namespace

void* scratch_bytes(Scratch purpose, std::size_t bytes) {
  return blocks[static_cast<int>(purpose)].at_least(bytes);
}

}  // namespace lockstep::kernels::cpu
