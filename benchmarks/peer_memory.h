// Memory that all ranks of a host see: what the limit of a collective is measured on.
#pragma once

#include <cstddef>
#include <vector>

#include "lockstep/comm/communicator.h"
#include "src/comm/shm_meeting.h"

namespace lockstep::bench {

// `bytes` bytes of every rank, mapped by all of them as the shared-memory transport maps its own:
// the same pages, and the same addresses apart. Collective. DeviceError where the host has no
// memory for them.
class PeerMemory {
 public:
  PeerMemory(comm::Communicator& ranks, std::size_t bytes);

  std::byte* of(int rank) const {
    return segments_[static_cast<std::size_t>(rank)]->data() +
           comm::ShmSegment::first_byte_of(rank);
  }

 private:
  std::vector<comm::SharedSegment> segments_;
};

}  // namespace lockstep::bench
