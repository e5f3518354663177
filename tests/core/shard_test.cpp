#include "lockstep/core/shard.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace lockstep::core {
namespace {

constexpr int most_ranks = 9;
constexpr int most_shards = 17;

// The sum over a node, with every addition in brackets.
std::string sum_of(TreeNode node) {
  if (node.leaves() == 1) return std::to_string(node.first);
  const int middle = split_of(node);
  return "(" + sum_of({node.first, middle}) + "+" + sum_of({middle, node.last}) + ")";
}

std::string folded(const std::vector<TreeNode>& partials, int total) {
  std::vector<std::string> stack;
  std::size_t next = 0;
  for (const FoldStep step : fold_program(partials, total)) {
    if (step == FoldStep::push) {
      stack.push_back(sum_of(partials.at(next++)));
    } else {
      const std::string right = stack.back();
      stack.pop_back();
      stack.back() = "(" + stack.back() + "+" + right + ")";
    }
  }
  EXPECT_EQ(next, partials.size());
  EXPECT_EQ(stack.size(), 1U);
  return stack.back();
}

TEST(PartOf, CutsIntoContiguousPartsOfAlmostEqualSize) {
  for (std::int64_t count = 0; count < 40; ++count) {
    for (std::int64_t parts = 1; parts < 12; ++parts) {
      std::int64_t end = 0;
      std::int64_t before = count / parts + 1;
      for (std::int64_t part = 0; part < parts; ++part) {
        const Range range = part_of(count, part, parts);
        EXPECT_EQ(range.begin, end);
        EXPECT_GE(range.count(), count / parts);
        EXPECT_LE(range.count(), before) << "the longer parts come first";
        end = range.end;
        before = range.count();
      }
      EXPECT_EQ(end, count);
    }
  }
}

TEST(ShardsOf, GivesEveryShardToOneRank) {
  for (int size = 1; size <= most_ranks; ++size) {
    for (int total = 1; total <= most_shards; ++total) {
      int end = 0;
      for (int rank = 0; rank < size; ++rank) {
        const ShardRange range = shards_of(rank, size, total);
        EXPECT_EQ(range.first, end);
        EXPECT_EQ(range.total, total);
        end = range.last;
      }
      EXPECT_EQ(end, total);
    }
  }
}

TEST(SplitOf, PutsTheLargestPowerOfTwoToTheLeft) {
  EXPECT_EQ(split_of({0, 2}), 1);
  EXPECT_EQ(split_of({0, 3}), 2);
  EXPECT_EQ(split_of({0, 4}), 2);
  EXPECT_EQ(split_of({0, 5}), 4);
  EXPECT_EQ(split_of({0, 8}), 4);
  EXPECT_EQ(split_of({4, 7}), 6);
  EXPECT_EQ(sum_of({0, 7}), "(((0+1)+(2+3))+((4+5)+6))");
}

TEST(MaximalSubtrees, CoverARangeWithAsFewNodesAsThereAre) {
  EXPECT_EQ(maximal_subtrees({0, 8, 8}), (std::vector<TreeNode>{{0, 8}}));
  EXPECT_EQ(maximal_subtrees({1, 6, 8}), (std::vector<TreeNode>{{1, 2}, {2, 4}, {4, 6}}));
  EXPECT_TRUE(maximal_subtrees({3, 3, 8}).empty());
  for (int total = 1; total <= most_shards; ++total) {
    for (int first = 0; first <= total; ++first) {
      for (int last = first; last <= total; ++last) {
        int end = first;
        for (const TreeNode node : maximal_subtrees({first, last, total})) {
          EXPECT_EQ(node.first, end);
          EXPECT_GT(node.leaves(), 0);
          end = node.last;
        }
        EXPECT_EQ(end, last);
      }
    }
  }
}

TEST(FoldProgram, AddsInTheSameOrderOnAnyNumberOfRanksExact) {
  for (int total = 1; total <= most_shards; ++total) {
    const std::string whole = sum_of({0, total});
    for (int size = 1; size <= most_ranks; ++size) {
      EXPECT_EQ(folded(forest(size, total), total), whole) << size << " ranks";
    }
  }
}

TEST(Forest, HoldsOneNodeWhereRanksOwnWholeSubtrees) {
  for (const int size : {1, 2, 4, 8}) EXPECT_EQ(forest(size, 8).size(), std::size_t(size));
  EXPECT_GT(forest(3, 8).size(), 3U);
}

}  // namespace
}  // namespace lockstep::core
