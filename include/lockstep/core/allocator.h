// Memory of a device: 64-byte aligned blocks from a caching allocator, and what it holds.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lockstep/base/shared.h"
#include "lockstep/core/device.h"

namespace lockstep::core {

inline constexpr std::size_t alignment = 64;

// One block; returns to whoever made it when its last handle goes.
class Block : public Counted {
 public:
  using Release = void (*)(Block*) noexcept;

  Block(void* data, std::size_t bytes, Device device, Release on_release, void* owner = nullptr)
      : data_(data), bytes_(bytes), device_(device), release_(on_release), owner_(owner) {}

  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  Device device() const { return device_; }
  void* owner() const { return owner_; }
  static void release(Block* block) noexcept { block->release_(block); }
  using Counted::revive;

 private:
  void* data_;
  std::size_t bytes_;
  Device device_;
  Release release_;
  void* owner_;
};

// A handle on a block; copies share it.
using Memory = Shared<Block>;

struct MemoryStatistics {
  std::size_t in_use = 0;       // bytes in live blocks
  std::size_t peak_in_use = 0;  // since the start or the last reset_peak()
  std::size_t cached = 0;       // bytes kept for reuse
  std::uint64_t system_allocations = 0;
  std::uint64_t requests = 0;
};

class Stream;

class Allocator {
 public:
  virtual ~Allocator() = default;
  // At least `bytes` bytes, aligned to 64. DeviceError when the device has no more, naming who
  // holds what.
  virtual Memory allocate(std::size_t bytes) = 0;
  // `stream`, which is not the device's compute stream, works on the block: released, it is not
  // used anew before what is queued there by then is done. Whoever hands a block to another stream
  // lets that stream wait for the compute stream first.
  virtual void used_on(const Memory& /*memory*/, Stream& /*stream*/) {}
  virtual MemoryStatistics statistics() const = 0;
  virtual void reset_peak() = 0;
  // Gives cached blocks back to the system.
  virtual void trim() = 0;
};

// The caching allocator of `device`. DeviceError where its backend is absent.
Allocator& allocator(Device device);

}  // namespace lockstep::core
