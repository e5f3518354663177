#include "lockstep/parallel/shard_tree.h"

#include <algorithm>

namespace lockstep::parallel {
namespace {

// Appends the additions of a subtree: those of its parts, and one more after its last shard.
void append_additions(core::TreeNode node, std::vector<int>& additions) {
  if (node.leaves() == 1) {
    additions.push_back(0);
    return;
  }
  const int middle = core::split_of(node);
  append_additions({node.first, middle}, additions);
  append_additions({middle, node.last}, additions);
  ++additions.back();
}

}  // namespace

ShardSchedule schedule_of(const core::ShardRange& shards) {
  ShardSchedule schedule;
  schedule.nodes = core::maximal_subtrees(shards);
  for (const core::TreeNode& node : schedule.nodes) append_additions(node, schedule.additions);
  int kept = 0;
  for (const int additions : schedule.additions) {
    schedule.depth = std::max(schedule.depth, ++kept);
    kept -= additions;
  }
  return schedule;
}

}  // namespace lockstep::parallel
