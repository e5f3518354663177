// A rank's share of a collective's memory work, done without synchronisation.
#pragma once

#include "benchmarks/bare_loop.h"
#include "benchmarks/collective_case.h"
#include "benchmarks/peer_memory.h"

namespace lockstep::bench {

// In the ranks' shared memory, at `offset` of each rank's: the out-of-place side lies `apart`
// bytes after the other. Every rank reads what it needs from all ranks and writes it where it
// belongs: of an all_reduce each rank adds its part of the elements and writes it to all ranks.
void run_limit(const CollectiveCase& on, Placement placement, const PeerMemory& memory,
               std::size_t offset, std::size_t apart, Stores stores);

// Memory that no other rank sees: what a rank can do alone is copy its result's bytes once.
void run_own_copy(const CollectiveCase& on, std::byte* from, std::byte* to, Stores stores);

}  // namespace lockstep::bench
