// What one rank does of the summation tree: which of its shards' gradients it adds, and when.
#pragma once

#include <vector>

#include "lockstep/core/shard.h"

namespace lockstep::parallel {

// A rank computes its shards in order and keeps partial sums on a stack: after local shard i it
// adds additions[i] times the two topmost. What then remains are the sums of the maximal subtrees
// that it owns: at most 2 * log2(shards) of them.
struct ShardSchedule {
  std::vector<int> additions;         // for each local shard
  std::vector<core::TreeNode> nodes;  // what remains, in order
  int depth = 0;                      // the most partial sums that are kept at once
};

ShardSchedule schedule_of(const core::ShardRange& shards);

}  // namespace lockstep::parallel
