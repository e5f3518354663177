#include "lockstep/core/shard.h"

#include <algorithm>
#include <bit>

namespace lockstep::core {
namespace {

// How many leaves of the node lie within the ranges.
int covered(TreeNode node, std::span<const ShardRange> ranges) {
  int leaves = 0;
  for (const ShardRange& range : ranges)
    leaves += std::max(0, std::min(node.last, range.last) - std::max(node.first, range.first));
  return leaves;
}

void collect(TreeNode node, std::span<const ShardRange> ranges, std::vector<TreeNode>& found) {
  const int leaves = covered(node, ranges);
  if (leaves == 0) return;
  if (leaves == node.leaves()) {
    found.push_back(node);
    return;
  }
  const int middle = split_of(node);
  collect({node.first, middle}, ranges, found);
  collect({middle, node.last}, ranges, found);
}

void emit(TreeNode node, const std::vector<TreeNode>& forest, std::size_t& next,
          std::vector<FoldStep>& program) {
  if (next < forest.size() && forest[next] == node) {
    program.push_back(FoldStep::push);
    ++next;
    return;
  }
  const int middle = split_of(node);
  emit({node.first, middle}, forest, next, program);
  emit({middle, node.last}, forest, next, program);
  program.push_back(FoldStep::add);
}

}  // namespace

Range part_of(std::int64_t count, std::int64_t part, std::int64_t parts) {
  const std::int64_t shorter = count / parts;
  const std::int64_t longer_parts = count % parts;
  const std::int64_t begin = part * shorter + std::min(part, longer_parts);
  return {begin, begin + shorter + (part < longer_parts ? 1 : 0)};
}

ShardRange shards_of(int rank, int size, int total) {
  const Range range = part_of(total, rank, size);
  return {static_cast<int>(range.begin), static_cast<int>(range.end), total};
}

int split_of(TreeNode node) {
  const auto leaves = static_cast<unsigned>(node.leaves());
  return node.first + static_cast<int>(std::bit_floor(leaves - 1));
}

std::vector<TreeNode> maximal_subtrees(const ShardRange& range) {
  return maximal_subtrees(std::span(&range, 1));
}

std::vector<TreeNode> maximal_subtrees(std::span<const ShardRange> ranges) {
  std::vector<TreeNode> found;
  if (!ranges.empty()) collect({0, ranges.front().total}, ranges, found);
  return found;
}

std::vector<TreeNode> forest(int size, int total) {
  std::vector<TreeNode> nodes;
  for (int rank = 0; rank < size; ++rank) {
    const auto own = maximal_subtrees(shards_of(rank, size, total));
    nodes.insert(nodes.end(), own.begin(), own.end());
  }
  return nodes;
}

std::vector<FoldStep> fold_program(const std::vector<TreeNode>& forest, int total) {
  return fold_program(forest, TreeNode{0, total});
}

std::vector<FoldStep> fold_program(const std::vector<TreeNode>& forest, TreeNode root) {
  std::vector<FoldStep> program;
  std::size_t next = 0;
  emit(root, forest, next, program);
  return program;
}

}  // namespace lockstep::core
