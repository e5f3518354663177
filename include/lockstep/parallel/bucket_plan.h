// How the gradients of a step are cut into the pieces that travel while backward still runs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lockstep/core/shard.h"

namespace lockstep::parallel {

// A parameter's place in a lane of gradients, with its padding.
struct PlannedSegment {
  int segment = 0;
  core::Range range;  // in elements
};

// A range of the lane that is exchanged as one, and the segments whose gradients must be final
// first.
struct Bucket {
  core::Range range;
  std::vector<int> segments;
};

// Cuts a lane, given in order of offsets, into buckets of at least `bytes` bytes each, from its end
// to its beginning: backward reaches the last layers first. The remainder at the beginning forms
// the last bucket. A pure function, so every rank makes the same plan.
std::vector<Bucket> plan_buckets(std::span<const PlannedSegment> segments,
                                 std::int64_t element_bytes, std::int64_t bytes);

}  // namespace lockstep::parallel
