#include "lockstep/parallel/shard_tree.h"

#include <gtest/gtest.h>

#include <string>

namespace lockstep::parallel {
namespace {

// The expression that a rank's stack holds after its shards, e.g. "(0 1) 2".
std::vector<std::string> expressions(const core::ShardRange& shards) {
  const ShardSchedule schedule = schedule_of(shards);
  std::vector<std::string> stack;
  for (int i = 0; i < shards.count(); ++i) {
    stack.push_back(std::to_string(shards.first + i));
    for (int k = 0; k < schedule.additions[static_cast<std::size_t>(i)]; ++k) {
      const std::string right = stack.back();
      stack.pop_back();
      stack.back() = "(" + stack.back() + " " + right + ")";
    }
  }
  return stack;
}

// The same after the ranks' forests are folded by core::fold_program.
std::string whole_sum(int size, int total) {
  std::vector<std::string> partials;
  for (int rank = 0; rank < size; ++rank) {
    for (const auto& each : expressions(core::shards_of(rank, size, total)))
      partials.push_back(each);
  }
  std::vector<std::string> stack;
  std::size_t next = 0;
  for (const auto step : core::fold_program(core::forest(size, total), total)) {
    if (step == core::FoldStep::push) {
      stack.push_back(partials[next++]);
      continue;
    }
    const std::string right = stack.back();
    stack.pop_back();
    stack.back() = "(" + stack.back() + " " + right + ")";
  }
  EXPECT_EQ(next, partials.size());
  EXPECT_EQ(stack.size(), 1U);
  return stack.back();
}

TEST(ShardTree, SplitsAtTheLargestPowerOfTwo) {
  EXPECT_EQ(whole_sum(1, 6), "(((0 1) (2 3)) (4 5))");
  EXPECT_EQ(whole_sum(1, 3), "((0 1) 2)");
}

TEST(ShardTree, GivesTheSameSumOnAnyNumberOfRanksExactly) {
  for (int total = 1; total <= 24; ++total) {
    const std::string expected = whole_sum(1, total);
    for (int size = 2; size <= 15; ++size) EXPECT_EQ(whole_sum(size, total), expected) << size;
  }
}

TEST(ShardTree, LeavesTheMaximalSubtreesThatARankOwns) {
  const ShardSchedule schedule = schedule_of({2, 5, 8});
  EXPECT_EQ(schedule.nodes, (std::vector<core::TreeNode>{{2, 4}, {4, 5}}));
  EXPECT_EQ(schedule.additions, (std::vector<int>{0, 1, 0}));
  EXPECT_EQ(schedule.depth, 2);
}

TEST(ShardTree, KeepsLogarithmicallyManyPartialSums) {
  EXPECT_EQ(schedule_of({0, 64, 64}).depth, 7);
  EXPECT_EQ(schedule_of({0, 0, 4}).depth, 0);
}

}  // namespace
}  // namespace lockstep::parallel
