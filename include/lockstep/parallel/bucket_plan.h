// How the gradients of a step are cut into the pieces that travel while backward still runs, and
// each piece among the ranks. Pure functions, so every rank makes the same plan.
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
  bool is_frozen = false;
};

// A range of the lane that is exchanged as one, and the segments whose gradients must be final
// first.
struct Bucket {
  core::Range range;
  std::vector<int> segments;
};

// What it takes to reduce n bytes: latency + n / bandwidth.
struct ExchangeCost {
  double latency = 0;    // seconds
  double bandwidth = 1;  // bytes per second
};

// The least bytes of the first bucket, of those after it, and the most of the last one.
struct BucketSizes {
  std::int64_t first = 0;
  std::int64_t middle = 0;
  std::int64_t last = 0;  // 0: whatever remains
};

// Buckets whose latency is small against their transfer; a smaller first one, so that the link has
// work early, and a last one that is as small as latency allows, since no backward hides it.
BucketSizes bucket_sizes(const ExchangeCost& cost);

// Cuts a lane, given in order of offsets, into buckets from its end to its beginning: backward
// reaches the last layers first. Frozen segments are in no bucket. Segments are never cut, so
// buckets may be larger than asked for.
std::vector<Bucket> plan_buckets(std::span<const PlannedSegment> segments,
                                 std::int64_t element_bytes, const BucketSizes& sizes);

// Cuts a bucket among `ranks`, as evenly as whole grains allow: `grain` elements, counted from the
// beginning of each of the lane's segments. Some slices may be empty.
std::vector<core::Range> slices_of(const Bucket& bucket, std::span<const PlannedSegment> segments,
                                   std::int64_t grain, int ranks);

// The layout in which gradients that arrive in this order lie from the lane's end to its beginning.
// `arrived` names each of `segments` segments at most once; the others go to the beginning.
std::vector<int> layout_for_arrival(std::span<const int> arrived, int segments);

}  // namespace lockstep::parallel
