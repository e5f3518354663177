#include "src/kernels/memory_plan.h"

#include <gtest/gtest.h>

#include <random>

#include "lockstep/core/allocator.h"

namespace lockstep::kernels {
namespace {

TEST(MemoryPlan, LetsWhatIsNeverNeededTogetherShareBytes) {
  const MemoryPlan plan = planned({{1000, 0, 1}, {1000, 2, 3}, {1000, 4, 9}});
  EXPECT_EQ(plan.bytes, 1024U);
  EXPECT_EQ(plan.offsets, (std::vector<std::size_t>{0, 0, 0}));
}

TEST(MemoryPlan, KeepsWhatACallReadsFromWhatItWrites) {
  const MemoryPlan plan = planned({{64, 0, 1}, {64, 1, 2}});
  EXPECT_EQ(plan.bytes, 128U);
  EXPECT_NE(plan.offsets[0], plan.offsets[1]);
}

TEST(MemoryPlan, OfNothingNeedsNothing) { EXPECT_EQ(planned({}).bytes, 0U); }

TEST(MemoryPlan, SeparatesAllThatIsNeededTogether) {
  std::mt19937 random(1);
  const auto up_to = [&](int most) { return std::uniform_int_distribution<int>(0, most)(random); };
  std::vector<Lifetime> lifetimes;
  for (int i = 0; i < 200; ++i) {
    const int first = up_to(100);
    lifetimes.push_back({static_cast<std::size_t>(up_to(5000)), first, first + up_to(10)});
  }
  const MemoryPlan plan = planned(lifetimes);
  for (std::size_t i = 0; i < lifetimes.size(); ++i) {
    EXPECT_EQ(plan.offsets[i] % core::alignment, 0U);
    EXPECT_LE(plan.offsets[i] + lifetimes[i].bytes, plan.bytes);
    for (std::size_t j = 0; j < i; ++j) {
      const Lifetime& a = lifetimes[i];
      const Lifetime& b = lifetimes[j];
      if (a.first > b.last || b.first > a.last) continue;
      const bool is_apart = plan.offsets[i] + a.bytes <= plan.offsets[j] ||
                            plan.offsets[j] + b.bytes <= plan.offsets[i];
      EXPECT_TRUE(is_apart) << i << " and " << j;
    }
  }
}

}  // namespace
}  // namespace lockstep::kernels
