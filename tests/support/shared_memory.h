// Ranks as threads over shared memory, and memory of theirs with known content.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "lockstep/comm/communicator.h"

namespace lockstep::tests {

// Runs `body` on every rank, each on its own thread; returns when all are through.
void on_shared_memory(int size, const std::function<void(comm::Communicator&)>& body);

// Memory of one rank, filled from a seed: from allocate(), or any other.
class Place {
 public:
  Place(comm::Communicator& ranks, std::size_t bytes, bool is_shared);

  std::byte* at(std::size_t offset) const {
    return static_cast<std::byte*>(memory_->data()) + offset;
  }
  // Numbers whose sums are rounded.
  void fill(DType dtype, std::size_t offset, std::int64_t count, unsigned seed) const;

 private:
  core::Memory memory_;
};

}  // namespace lockstep::tests
