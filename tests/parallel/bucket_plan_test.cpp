#include "lockstep/parallel/bucket_plan.h"

#include <gtest/gtest.h>

namespace lockstep::parallel {
namespace {

std::vector<PlannedSegment> segments(const std::vector<std::int64_t>& sizes) {
  std::vector<PlannedSegment> planned;
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    planned.push_back({static_cast<int>(i), {offset, offset + sizes[i]}});
    offset += sizes[i];
  }
  return planned;
}

TEST(BucketPlan, StartsAtTheEndOfTheLane) {
  const auto plan = plan_buckets(segments({100, 10, 50}), 4, 200);
  ASSERT_EQ(plan.size(), 2U);
  EXPECT_EQ(plan[0].range, (core::Range{110, 160}));
  EXPECT_EQ(plan[0].segments, (std::vector<int>{2}));
  EXPECT_EQ(plan[1].range, (core::Range{0, 110}));
  EXPECT_EQ(plan[1].segments, (std::vector<int>{1, 0}));
}

TEST(BucketPlan, CoversTheLaneOnceWhateverTheBucketSize) {
  const auto planned = segments({7, 300, 1, 64, 1000, 3, 12});
  for (const std::int64_t bytes : {1, 64, 1000, 1 << 20}) {
    std::int64_t end = planned.back().range.end;
    std::size_t count = 0;
    for (const Bucket& bucket : plan_buckets(planned, 4, bytes)) {
      EXPECT_EQ(bucket.range.end, end);
      end = bucket.range.begin;
      count += bucket.segments.size();
    }
    EXPECT_EQ(end, 0);
    EXPECT_EQ(count, planned.size());
  }
}

TEST(BucketPlan, IsEmptyWithoutSegments) { EXPECT_TRUE(plan_buckets({}, 4, 100).empty()); }

}  // namespace
}  // namespace lockstep::parallel
