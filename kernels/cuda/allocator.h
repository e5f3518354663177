// The caching allocator of device memory and of page-locked host memory.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "kernels/cuda/device_context.h"
#include "kernels/cuda/memory_policy.h"
#include "lockstep/core/allocator.h"
#include "lockstep/core/stream.h"

namespace lockstep::kernels::cuda {

// Where the memory comes from.
struct MemorySource {
  Device device;  // of the blocks
  Status (*allocate)(void** data, std::size_t bytes) = nullptr;
  Status (*release)(void* data) = nullptr;
  const char* call = "";  // the function of the runtime that allocates
};

// Blocks are cut from segments that the runtime gave, best fit first, and joined with their free
// neighbours when they come back. A block belongs to the compute stream, which may use it anew at
// once, since its work is done in order; where other streams used it too (used_on), it waits for
// the points at which they were when it came back. Small blocks (up to 1 MiB) have segments of
// their own.
class CachingAllocator final : public core::Allocator {
 public:
  CachingAllocator(const DeviceContext& device, const MemorySource& source, MemoryPolicy policy);
  CachingAllocator(const CachingAllocator&) = delete;
  CachingAllocator& operator=(const CachingAllocator&) = delete;
  ~CachingAllocator() override;

  core::Memory allocate(std::size_t bytes) override;
  void used_on(const core::Memory& memory, core::Stream& stream) override;
  core::MemoryStatistics statistics() const override;
  void reset_peak() override;
  void trim() override;

 private:
  struct Piece;
  struct Segment;
  struct BySize {
    bool operator()(const Piece* a, const Piece* b) const;
  };
  using FreePieces = std::set<Piece*, BySize>;

  // All of these hold the mutex.
  Piece* taken(std::size_t bytes);
  Piece* best_fit(std::size_t bytes);
  bool grow(std::size_t bytes);
  bool add_segment(std::size_t bytes, bool is_small);
  void split(Piece* piece, std::size_t bytes);
  void make_free(Piece* piece) noexcept;
  void absorb_next(Piece* piece) noexcept;
  void collect(bool is_waiting);
  void release_unused() noexcept;
  FreePieces& free_of(const Piece* piece);
  std::string exhausted(std::size_t bytes);
  std::string largest_holders() const;

  static void take_back(core::Block* block) noexcept;
  void keep(Piece* piece) noexcept;

  const DeviceContext& device_;
  MemorySource source_;
  MemoryPolicy policy_;
  std::size_t limit_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Segment>> segments_;
  FreePieces free_small_, free_large_;
  std::vector<Piece*> waiting_;  // came back, but other streams may still use them
  std::size_t reserved_ = 0;     // bytes of all segments
  core::MemoryStatistics statistics_;
};

}  // namespace lockstep::kernels::cuda
