#include "lockstep/parallel/bucket_plan.h"

namespace lockstep::parallel {

std::vector<Bucket> plan_buckets(std::span<const PlannedSegment> segments,
                                 std::int64_t element_bytes, std::int64_t bytes) {
  std::vector<Bucket> buckets;
  bool is_open = false;
  for (std::size_t i = segments.size(); i-- > 0;) {
    const PlannedSegment& segment = segments[i];
    if (!is_open) buckets.push_back({segment.range, {}});
    Bucket& bucket = buckets.back();
    bucket.range.begin = segment.range.begin;
    bucket.segments.push_back(segment.segment);
    is_open = bucket.range.count() * element_bytes < bytes;
  }
  return buckets;
}

}  // namespace lockstep::parallel
