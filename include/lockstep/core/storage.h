// The memory of one base tensor and its views: relocatable, with the version that detects mutation.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lockstep/core/allocator.h"

namespace lockstep::core {

// A range of a block. Tensors point at a Storage, so relocating it moves every handle and view
// along.
class Storage : public Counted {
 public:
  Storage(Memory memory, std::size_t offset, std::size_t bytes)
      : memory_(std::move(memory)), offset_(offset), bytes_(bytes) {
    data_ = static_cast<std::byte*>(memory_ ? memory_->data() : nullptr) + offset_;
  }

  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  const Memory& memory() const { return memory_; }
  std::size_t offset() const { return offset_; }

  // Points at `bytes()` bytes of another block; the content is the caller's business.
  void relocate(Memory memory, std::size_t offset) {
    memory_ = std::move(memory);
    offset_ = offset;
    data_ = static_cast<std::byte*>(memory_->data()) + offset;
  }

  std::uint64_t version() const { return version_; }
  void mark_mutated() { ++version_; }

 private:
  Memory memory_;
  std::size_t offset_;
  std::size_t bytes_;
  std::byte* data_;
  std::uint64_t version_ = 0;
};

}  // namespace lockstep::core
