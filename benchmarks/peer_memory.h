// Memory that all ranks of a host see: what the limit of a collective is measured on.
#pragma once

#include <cstddef>
#include <vector>

#include "lockstep/comm/communicator.h"

namespace lockstep::bench {

// `bytes` bytes of every rank, mapped by all of them; nothing of it has a name, so nothing stays
// behind. Collective. DeviceError where the ranks cannot open each other's memory.
class PeerMemory {
 public:
  PeerMemory(comm::Communicator& ranks, std::size_t bytes);
  PeerMemory(const PeerMemory&) = delete;
  PeerMemory& operator=(const PeerMemory&) = delete;
  ~PeerMemory();

  std::byte* of(int rank) const { return mapped_[static_cast<std::size_t>(rank)]; }

 private:
  std::size_t bytes_;
  std::vector<std::byte*> mapped_;
};

}  // namespace lockstep::bench
