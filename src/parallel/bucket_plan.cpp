#include "lockstep/parallel/bucket_plan.h"

#include <algorithm>
#include <cmath>

namespace lockstep::parallel {
namespace {

// A bucket's transfer takes at least so many times its latency.
constexpr double transfer_over_latency = 16;
constexpr std::int64_t least_bytes = std::int64_t{64} << 10;
constexpr std::int64_t most_bytes = std::int64_t{32} << 20;

// The first of the segments that the last bucket takes: as many at the lane's beginning as fit.
std::size_t segments_of_last(std::span<const PlannedSegment> segments, std::int64_t elements) {
  std::size_t count = 0;
  for (std::int64_t total = 0; count < segments.size(); ++count) {
    total += segments[count].is_frozen ? 0 : segments[count].range.count();
    if (total > elements) break;
  }
  return count;
}

core::Range segment_at(std::span<const PlannedSegment> segments, std::int64_t element) {
  const auto next = std::upper_bound(
      segments.begin(), segments.end(), element,
      [](std::int64_t place, const PlannedSegment& s) { return place < s.range.end; });
  return next->range;
}

}  // namespace

BucketSizes bucket_sizes(const ExchangeCost& cost) {
  const double bytes_of_latency = std::max(0.0, cost.latency) * std::max(1.0, cost.bandwidth);
  const auto middle = static_cast<std::int64_t>(std::clamp(transfer_over_latency * bytes_of_latency,
                                                           static_cast<double>(least_bytes),
                                                           static_cast<double>(most_bytes)));
  return {.first = middle / 4, .middle = middle, .last = middle / 4};
}

std::vector<Bucket> plan_buckets(std::span<const PlannedSegment> segments,
                                 std::int64_t element_bytes, const BucketSizes& sizes) {
  std::vector<Bucket> buckets;
  const std::size_t of_last = segments_of_last(segments, sizes.last / element_bytes);
  bool is_open = false;
  for (std::size_t i = segments.size(); i-- > 0;) {
    const PlannedSegment& segment = segments[i];
    if (segment.is_frozen || i + 1 == of_last) is_open = false;
    if (segment.is_frozen) continue;
    if (!is_open) buckets.push_back({segment.range, {}});
    Bucket& bucket = buckets.back();
    bucket.range.begin = segment.range.begin;
    bucket.segments.push_back(segment.segment);
    const std::int64_t least = i < of_last           ? sizes.last
                               : buckets.size() == 1 ? sizes.first
                                                     : sizes.middle;
    is_open = bucket.range.count() * element_bytes < std::max<std::int64_t>(1, least);
  }
  return buckets;
}

std::vector<core::Range> slices_of(const Bucket& bucket, std::span<const PlannedSegment> segments,
                                   std::int64_t grain, int ranks) {
  std::vector<core::Range> slices;
  std::int64_t begin = bucket.range.begin;
  for (int rank = 0; rank < ranks; ++rank) {
    const std::int64_t even =
        bucket.range.begin + core::part_of(bucket.range.count(), rank, ranks).end;
    std::int64_t end = bucket.range.end;
    if (rank + 1 < ranks && even < end) {
      const core::Range segment = segment_at(segments, even);
      const std::int64_t grains = (even - segment.begin + grain / 2) / grain;
      end = std::max(begin, std::min(segment.end, segment.begin + grains * grain));
    }
    slices.push_back({begin, end});
    begin = end;
  }
  return slices;
}

std::vector<int> layout_for_arrival(std::span<const int> arrived, int segments) {
  std::vector<bool> has_arrived(static_cast<std::size_t>(segments), false);
  for (const int segment : arrived) has_arrived[static_cast<std::size_t>(segment)] = true;
  std::vector<int> layout;
  for (int segment = 0; segment < segments; ++segment) {
    if (!has_arrived[static_cast<std::size_t>(segment)]) layout.push_back(segment);
  }
  layout.insert(layout.end(), arrived.rbegin(), arrived.rend());
  return layout;
}

}  // namespace lockstep::parallel
