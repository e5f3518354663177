#include "src/parallel/lanes.h"

#include <algorithm>

#include "lockstep/parallel/shard_tree.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"

namespace lockstep::parallel {
namespace {

int lanes_of(const core::ShardRange& shards) { return std::max(1, schedule_of(shards).depth); }

}  // namespace

void clear(const core::Memory& memory) {
  const auto bytes = static_cast<std::int64_t>(memory->bytes());
  fill_elements(Tensor(make_shared_object<core::Storage>(memory, 0, memory->bytes()), 0, {bytes},
                       {1}, DType::u8),
                0);
}

core::Buffer cut(const core::Buffer& lane, core::Range range) {
  core::Buffer part = lane;
  part.data = static_cast<std::byte*>(lane.data) +
              range.begin * static_cast<std::int64_t>(size_of(lane.dtype));
  part.count = range.count();
  return part;
}

core::Memory new_lane(comm::Communicator& ranks, Device device, std::size_t bytes) {
  const std::size_t whole = std::max(bytes, core::alignment);
  core::Memory memory =
      device == Device{} ? ranks.allocate(whole) : core::allocator(device).allocate(whole);
  clear(memory);
  return memory;
}

std::vector<core::Memory> spare_lanes(comm::Communicator& ranks, const core::ShardRange& shards,
                                      Device device, std::size_t bytes) {
  int most = 1;
  for (int rank = 0; rank < ranks.size(); ++rank)
    most = std::max(most, lanes_of(core::shards_of(rank, ranks.size(), shards.total)));
  std::vector<core::Memory> lanes;
  // Every rank takes part in every allocation, also where it needs fewer lanes.
  for (int lane = 1; lane < most; ++lane) {
    core::Memory memory = new_lane(ranks, device, lane < lanes_of(shards) ? bytes : 0);
    if (lane < lanes_of(shards)) lanes.push_back(std::move(memory));
  }
  return lanes;
}

}  // namespace lockstep::parallel
