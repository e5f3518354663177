// Which device each rank computes on.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lockstep/comm/communicator.h"
#include "lockstep/core/device.h"

namespace lockstep::comm {

// For each rank the index of its device among those that it sees, which are named by numbers that
// are the same on all ranks: each takes the first that no lower rank has. So ranks that see the
// same devices share them out in order, and ranks that a scheduler has bound take their own. Where
// all are taken: DeviceError, or with `may_share` the one that fewest have.
std::vector<int> chosen_devices(std::span<const std::vector<std::int64_t>> seen, bool may_share);

// This rank's device where `asked` is the program's. Collective for a device other than the cpu.
// DeviceError on all ranks where one has none.
Device device_for(Communicator& ranks, Device asked);

}  // namespace lockstep::comm
