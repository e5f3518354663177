// Lanes that the ranks read from each other: memory that the transport moves fastest.
#pragma once

#include <vector>

#include "lockstep/comm/communicator.h"
#include "lockstep/core/buffer.h"
#include "lockstep/core/shard.h"

namespace lockstep::parallel {

// Elements `range` of a buffer.
core::Buffer cut(const core::Buffer& lane, core::Range range);

// Makes a block's elements zero.
void clear(const core::Memory& memory);

// Zeroed memory. Collective, since the transport may have to show it to the other ranks.
core::Memory new_lane(comm::Communicator& ranks, Device device, std::size_t bytes);

// What a rank needs besides the lane that its shards' partials are written to: as many lanes as
// partial sums are kept at once. Collective.
std::vector<core::Memory> spare_lanes(comm::Communicator& ranks, const core::ShardRange& shards,
                                      Device device, std::size_t bytes);

}  // namespace lockstep::parallel
