#include "benchmarks/peer_memory.h"

#include <chrono>
#include <numeric>

namespace lockstep::bench {
namespace {

constexpr auto patience = std::chrono::minutes(1);

}  // namespace

PeerMemory::PeerMemory(comm::Communicator& ranks, std::size_t bytes) {
  std::vector<int> all(static_cast<std::size_t>(ranks.size()));
  std::iota(all.begin(), all.end(), 0);
  const auto meeting = comm::meet_over_sockets(ranks, all, ranks.rank());
  const std::size_t own = comm::ShmSegment::first_byte_of(ranks.rank()) + bytes;
  segments_ = meeting->share({.bytes = own}, patience).of_rank;
}

}  // namespace lockstep::bench
