// The cut of a global batch into shards, and the one fixed binary tree by which shards are summed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace lockstep::core {

// Shards [first, last) of `total`: what one rank computes.
struct ShardRange {
  int first = 0;
  int last = 1;
  int total = 1;

  int count() const { return last - first; }
  friend bool operator==(const ShardRange&, const ShardRange&) = default;
};

// Elements [begin, end).
struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;

  std::int64_t count() const { return end - begin; }
  friend bool operator==(const Range&, const Range&) = default;
};

// Part `part` of `parts` of `count` elements: contiguous, sizes differ by at most one, the longer
// ones first. Cuts a batch into shards, and shards among ranks.
Range part_of(std::int64_t count, std::int64_t part, std::int64_t parts);
// The contiguous shards of `rank` in a world of `size`; empty for some when size > total.
ShardRange shards_of(int rank, int size, int total);

// Node [first, last) of the summation tree over shard ids.
struct TreeNode {
  int first = 0;
  int last = 0;

  int leaves() const { return last - first; }
  friend bool operator==(const TreeNode&, const TreeNode&) = default;
};

// Where a node splits: first plus the largest power of two below its number of leaves (which is >=
// 2).
int split_of(TreeNode node);
// The largest subtrees of the tree over `range.total` leaves that lie within the range, in order.
std::vector<TreeNode> maximal_subtrees(const ShardRange& range);
// The same for a set of shards of one total: disjoint ranges in ascending order.
std::vector<TreeNode> maximal_subtrees(std::span<const ShardRange> ranges);
// maximal_subtrees of every rank of a world of `size`, concatenated in rank order.
std::vector<TreeNode> forest(int size, int total);

// The additions that turn a forest's partials into the root, as a stack program: `push` the next
// partial, or `add` the two topmost. The order is that of the tree, so the sum's bits do not depend
// on the forest.
enum class FoldStep : std::uint8_t { push, add };
std::vector<FoldStep> fold_program(const std::vector<TreeNode>& forest, int total);
// The same for the partials of one subtree.
std::vector<FoldStep> fold_program(const std::vector<TreeNode>& forest, TreeNode root);

}  // namespace lockstep::core
