// Which ranks a split puts together, and what their group is called.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lockstep/comm/membership.h"

namespace lockstep::comm {

// What one rank asks of a split.
struct Wish {
  std::int64_t color = 0;
  std::int64_t key = 0;
};

// The ranks that give the same color as `rank`, in the order of (key, rank); none for a negative
// color.
std::vector<int> members_of(std::span<const Wish> wishes, int rank);

// The group of that color made by the call `sequence` on `parent`.
Group group_of(const Group& parent, std::uint64_t sequence, std::int64_t color);

}  // namespace lockstep::comm
