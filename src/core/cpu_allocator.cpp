#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "lockstep/base/error.h"
#include "lockstep/core/allocator.h"
#include "lockstep/core/platform.h"

namespace lockstep::core {
namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;

#ifdef __SANITIZE_ADDRESS__
constexpr bool keeps_blocks = false;  // so that the sanitizer sees every use after release
#else
constexpr bool keeps_blocks = true;
#endif

// Sizes are rounded to eight steps for each power of two: at most 1/8 is wasted, and blocks are
// often reused.
struct SizeClass {
  std::size_t index;
  std::size_t bytes;
};

SizeClass class_of(std::size_t bytes) {
  bytes = std::max<std::size_t>(bytes, 1);
  if (bytes <= 8 * alignment) {
    const std::size_t units = (bytes + alignment - 1) / alignment;
    return {units - 1, units * alignment};
  }
  const auto power = static_cast<std::size_t>(std::bit_width(bytes - 1) - 1);
  const std::size_t step = std::size_t{1} << (power - 3);
  const std::size_t rounded = (bytes + step - 1) / step * step;
  const std::size_t within = (rounded - (std::size_t{1} << power)) / step;  // 1..8
  return {8 + (power - 9) * 8 + within - 1, rounded};
}
constexpr std::size_t class_count = 8 + (48 - 9) * 8 + 8;
constexpr std::size_t largest_request = std::size_t{1} << 47;

void* system_memory(std::size_t bytes) {
  if (bytes < huge_page) return std::aligned_alloc(alignment, bytes);
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return nullptr;
  madvise(data, bytes, MADV_HUGEPAGE);
  return data;
}

void give_back(void* data, std::size_t bytes) noexcept {
  if (bytes < huge_page) {
    std::free(data);
  } else {
    munmap(data, bytes);
  }
}

class CpuAllocator final : public Allocator {
 public:
  Memory allocate(std::size_t bytes) override {
    check<DeviceError>(bytes <= largest_request, [&] { return exhausted(bytes); });
    const SizeClass size = class_of(bytes);
    {
      const std::lock_guard lock(mutex_);
      count_request(size.bytes);
      auto& list = free_[size.index];
      if (!list.empty()) {
        Block* block = list.back();
        list.pop_back();
        statistics_.cached -= size.bytes;
        block->revive();
        return Memory::adopt(block);
      }
    }
    return Memory::adopt(new_block(size.bytes, bytes));
  }

  MemoryStatistics statistics() const override {
    const std::lock_guard lock(mutex_);
    return statistics_;
  }

  void reset_peak() override {
    const std::lock_guard lock(mutex_);
    statistics_.peak_in_use = statistics_.in_use;
  }

  void trim() override {
    const std::lock_guard lock(mutex_);
    for (auto& list : free_) {
      for (Block* block : list) discard(block);
      list.clear();
    }
    statistics_.cached = 0;
  }

 private:
  Block* new_block(std::size_t bytes, std::size_t requested) {
    void* data = system_memory(bytes);
    if (data == nullptr) {
      trim();
      data = system_memory(bytes);
    }
    const std::lock_guard lock(mutex_);
    if (data == nullptr) statistics_.in_use -= bytes;
    check<DeviceError>(data != nullptr, [&] { return exhausted(requested); });
    ++statistics_.system_allocations;
    return new Block(data, bytes, Device{}, &CpuAllocator::take_back, this);
  }

  static void take_back(Block* block) noexcept {
    static_cast<CpuAllocator*>(block->owner())->keep(block);
  }

  void keep(Block* block) noexcept {
    const std::lock_guard lock(mutex_);
    statistics_.in_use -= block->bytes();
    if (!keeps_blocks) {
      discard(block);
      return;
    }
    statistics_.cached += block->bytes();
    free_[class_of(block->bytes()).index].push_back(block);
  }

  static void discard(Block* block) noexcept {
    give_back(block->data(), block->bytes());
    delete block;
  }

  void count_request(std::size_t bytes) {
    ++statistics_.requests;
    statistics_.in_use += bytes;
    statistics_.peak_in_use = std::max(statistics_.peak_in_use, statistics_.in_use);
  }

  Complaint exhausted(std::size_t bytes) const {
    return {"allocate: cpu has no " + std::to_string(bytes) + " bytes more; " +
                std::to_string(statistics_.in_use) + " bytes are in use by live tensors, " +
                std::to_string(statistics_.cached) + " bytes are cached",
            "use a smaller batch or model, or free tensors first"};
  }

  mutable std::mutex mutex_;
  std::vector<Block*> free_[class_count];
  MemoryStatistics statistics_;
};

}  // namespace

Allocator& allocator(Device device) {
  if (device.type != DeviceType::cpu) return platform(device).allocator(device.index);
  // Never destroyed: blocks may be released by static objects after main.
  static auto* const cpu = new CpuAllocator;
  return *cpu;
}

}  // namespace lockstep::core
