#include "lockstep/parallel/bucket_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace lockstep::parallel {
namespace {

using testing::ElementsAre;

std::vector<PlannedSegment> segments(const std::vector<std::int64_t>& sizes) {
  std::vector<PlannedSegment> planned;
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    planned.push_back({static_cast<int>(i), {offset, offset + sizes[i]}});
    offset += sizes[i];
  }
  return planned;
}

constexpr BucketSizes all_of(std::int64_t bytes) { return {bytes, bytes, 0}; }

// Lanes of up to 40 segments of very different sizes, some of them frozen.
std::vector<PlannedSegment> random_segments(std::mt19937& random) {
  std::vector<std::int64_t> sizes(random() % 40);
  for (std::int64_t& size : sizes) size = 16 * (1 + (std::int64_t{1} << random() % 14));
  auto planned = segments(sizes);
  for (PlannedSegment& segment : planned) segment.is_frozen = random() % 5 == 0;
  return planned;
}

BucketSizes random_sizes(std::mt19937& random) {
  const auto size = [&] { return static_cast<std::int64_t>(random() % 100'000); };
  return {size(), size(), size()};
}

TEST(BucketPlan, StartsAtTheEndOfTheLane) {
  const auto plan = plan_buckets(segments({100, 10, 50}), 4, all_of(200));
  ASSERT_EQ(plan.size(), 2U);
  EXPECT_EQ(plan[0].range, (core::Range{110, 160}));
  EXPECT_EQ(plan[0].segments, (std::vector<int>{2}));
  EXPECT_EQ(plan[1].range, (core::Range{0, 110}));
  EXPECT_EQ(plan[1].segments, (std::vector<int>{1, 0}));
}

TEST(BucketPlan, HasEveryTrainableSegmentOnceInOrderAndNoFrozenOne) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    const auto planned = random_segments(random);
    std::vector<int> expected;
    for (const PlannedSegment& segment : planned) {
      if (!segment.is_frozen) expected.insert(expected.begin(), segment.segment);
    }
    std::vector<int> found;
    std::int64_t elements = 0;
    for (const Bucket& bucket : plan_buckets(planned, 4, random_sizes(random))) {
      EXPECT_FALSE(bucket.segments.empty());
      found.insert(found.end(), bucket.segments.begin(), bucket.segments.end());
      for (const int segment : bucket.segments)
        elements += planned[static_cast<std::size_t>(segment)].range.count();
      EXPECT_EQ(bucket.range.end,
                planned[static_cast<std::size_t>(bucket.segments.front())].range.end);
      EXPECT_EQ(bucket.range.begin,
                planned[static_cast<std::size_t>(bucket.segments.back())].range.begin);
      elements -= bucket.range.count();
    }
    EXPECT_EQ(found, expected);
    EXPECT_EQ(elements, 0);
  }
}

TEST(BucketPlan, MakesOneBucketOfEverythingOrOneOfEachSegment) {
  const auto planned = segments({7, 300, 1, 64, 1000, 3, 12});
  EXPECT_EQ(plan_buckets(planned, 4, all_of(1 << 20)).size(), 1U);
  EXPECT_EQ(plan_buckets(planned, 4, all_of(1)).size(), planned.size());
  EXPECT_EQ(plan_buckets(planned, 4, all_of(0)).size(), planned.size());
}

TEST(BucketPlan, IsEmptyWithoutTrainableSegments) {
  EXPECT_TRUE(plan_buckets({}, 4, all_of(100)).empty());
  auto frozen = segments({10, 20});
  for (PlannedSegment& segment : frozen) segment.is_frozen = true;
  EXPECT_TRUE(plan_buckets(frozen, 4, all_of(100)).empty());
}

TEST(BucketPlan, KeepsTheLastBucketSmall) {
  const auto plan = plan_buckets(segments({10, 20, 400, 100, 100, 100}), 4, {400, 1200, 200});
  ASSERT_EQ(plan.size(), 3U);
  EXPECT_EQ(plan[0].range, (core::Range{630, 730}));
  EXPECT_EQ(plan[1].range, (core::Range{30, 630}));
  EXPECT_EQ(plan[2].range, (core::Range{0, 30}));
}

TEST(BucketPlan, ClosesABucketAtAFrozenSegment) {
  auto planned = segments({10, 10, 10});
  planned[1].is_frozen = true;
  const auto plan = plan_buckets(planned, 4, all_of(1000));
  ASSERT_EQ(plan.size(), 2U);
  EXPECT_EQ(plan[0].range, (core::Range{20, 30}));
  EXPECT_EQ(plan[1].range, (core::Range{0, 10}));
}

TEST(BucketPlan, NeverHasMoreBucketsForLargerSizes) {
  std::mt19937 random(2);
  for (int round = 0; round < 100; ++round) {
    const auto planned = random_segments(random);
    std::size_t before = planned.size();
    for (std::int64_t bytes = 1; bytes < 1 << 20; bytes *= 4) {
      const std::size_t now = plan_buckets(planned, 4, all_of(bytes)).size();
      EXPECT_LE(now, before);
      before = now;
    }
  }
}

TEST(BucketSizes, GrowWithLatencyAndWithBandwidth) {
  std::int64_t before = 0;
  for (const double latency : {0.0, 1e-7, 2e-6, 1e-5, 1e-4, 1e-2, 10.0}) {
    const BucketSizes sizes = bucket_sizes({latency, 10e9});
    EXPECT_GE(sizes.middle, before);
    EXPECT_LE(sizes.first, sizes.middle);
    EXPECT_LE(sizes.last, sizes.first);
    EXPECT_GT(sizes.last, 0);
    before = sizes.middle;
  }
  EXPECT_LT(bucket_sizes({1e-5, 1e9}).middle, bucket_sizes({1e-5, 40e9}).middle);
}

TEST(BucketSizes, MakeLatencySmallAgainstTransfer) {
  for (const double latency : {5e-6, 2e-5, 1e-4}) {
    const double bandwidth = 10e9;
    const double transfer =
        static_cast<double>(bucket_sizes({latency, bandwidth}).middle) / bandwidth;
    EXPECT_GE(transfer, 10 * latency);
  }
}

TEST(Slices, CoverTheBucketInWholeGrainsOfItsSegments) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    const auto planned = random_segments(random);
    const std::int64_t grain = std::int64_t{16} << random() % 9;
    const int ranks = 1 + static_cast<int>(random() % 9);
    for (const Bucket& bucket : plan_buckets(planned, 4, random_sizes(random))) {
      const auto slices = slices_of(bucket, planned, grain, ranks);
      ASSERT_EQ(slices.size(), static_cast<std::size_t>(ranks));
      std::int64_t begin = bucket.range.begin;
      for (const core::Range& slice : slices) {
        ASSERT_EQ(slice.begin, begin);
        ASSERT_LE(slice.begin, slice.end);
        begin = slice.end;
        const bool is_whole =
            std::any_of(planned.begin(), planned.end(), [&](const PlannedSegment& segment) {
              return begin == segment.range.end ||
                     (segment.range.begin <= begin && begin < segment.range.end &&
                      (begin - segment.range.begin) % grain == 0);
            });
        EXPECT_TRUE(is_whole) << begin;
      }
      EXPECT_EQ(begin, bucket.range.end);
    }
  }
}

TEST(Slices, AreAsEvenAsGrainsAllow) {
  const auto planned = segments({1600});
  const Bucket bucket{{0, 1600}, {0}};
  EXPECT_THAT(slices_of(bucket, planned, 16, 3),
              ElementsAre(core::Range{0, 528}, core::Range{528, 1072}, core::Range{1072, 1600}));
  EXPECT_THAT(slices_of(bucket, planned, 1024, 2),
              ElementsAre(core::Range{0, 1024}, core::Range{1024, 1600}));
  EXPECT_THAT(slices_of({{0, 16}, {0}}, segments({16}), 16, 3),
              ElementsAre(core::Range{0, 0}, core::Range{0, 16}, core::Range{16, 16}));
}

TEST(LayoutForArrival, PutsWhatArrivesFirstAtTheEndAndTheRestInFront) {
  EXPECT_THAT(layout_for_arrival(std::vector<int>{4, 0, 3}, 5), ElementsAre(1, 2, 3, 0, 4));
  EXPECT_THAT(layout_for_arrival({}, 3), ElementsAre(0, 1, 2));
  EXPECT_TRUE(layout_for_arrival({}, 0).empty());
}

}  // namespace
}  // namespace lockstep::parallel
