#include "lockstep/core/shard.h"

#include <algorithm>
#include <bit>

namespace lockstep::core {
namespace {

void collect(TreeNode node, const ShardRange& range, std::vector<TreeNode>& found) {
  if (node.last <= range.first || node.first >= range.last) return;
  if (node.first >= range.first && node.last <= range.last) {
    found.push_back(node);
    return;
  }
  const int middle = split_of(node);
  collect({node.first, middle}, range, found);
  collect({middle, node.last}, range, found);
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
  std::vector<TreeNode> found;
  if (range.count() > 0) collect({0, range.total}, range, found);
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
  std::vector<FoldStep> program;
  std::size_t next = 0;
  emit({0, total}, forest, next, program);
  return program;
}

}  // namespace lockstep::core
