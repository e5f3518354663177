#include "src/comm/host_forest.h"

#include <algorithm>

namespace lockstep::comm {
namespace {

bool lies_within(core::TreeNode node, core::TreeNode other) {
  return node.first >= other.first && node.last <= other.last;
}

HostForest::Joined joined_of(core::TreeNode node, const std::vector<core::TreeNode>& nodes) {
  HostForest::Joined joined{.node = node, .partials = {}, .program = {}};
  std::vector<core::TreeNode> own;
  for (std::size_t number = 0; number < nodes.size(); ++number) {
    if (!lies_within(nodes[number], node)) continue;
    joined.partials.push_back(static_cast<int>(number));
    own.push_back(nodes[number]);
  }
  joined.program = core::fold_program(own, node);
  return joined;
}

}  // namespace

HostForest::HostForest(const Hosts& hosts, int shards) : first(1, 0) {
  const int size = static_cast<int>(hosts.of_rank.size());
  const std::vector<core::TreeNode> nodes = core::forest(size, shards);
  for (int rank = 0; rank < size; ++rank) {
    const auto own = core::maximal_subtrees(core::shards_of(rank, size, shards));
    rank_of.insert(rank_of.end(), own.size(), rank);
    first.push_back(partials());
  }
  for (const std::vector<int>& ranks : hosts.ranks) {
    std::vector<core::ShardRange> shards_of_host;
    for (const int rank : ranks) shards_of_host.push_back(core::shards_of(rank, size, shards));
    auto& all = joined.emplace_back();
    for (const core::TreeNode& node : core::maximal_subtrees(shards_of_host))
      all.push_back(joined_of(node, nodes));
  }
  for (int host = 0; host < hosts.count(); ++host) {
    Sum& sum = sums.emplace_back();
    for (int number = 0; number < partials(); ++number) {
      const bool is_own = hosts.of(rank_of[static_cast<std::size_t>(number)]) == host;
      if (is_own) sum.inputs.push_back({nodes[static_cast<std::size_t>(number)], host, number});
    }
    for (int other = 0; other < hosts.count(); ++other) {
      const auto& theirs = joined[static_cast<std::size_t>(other)];
      for (std::size_t number = 0; other != host && number < theirs.size(); ++number)
        sum.inputs.push_back({theirs[number].node, other, static_cast<int>(number)});
    }
    std::sort(sum.inputs.begin(), sum.inputs.end(),
              [](const Input& a, const Input& b) { return a.node.first < b.node.first; });
    std::vector<core::TreeNode> order;
    for (const Input& input : sum.inputs) order.push_back(input.node);
    sum.program = core::fold_program(order, shards);
  }
}

}  // namespace lockstep::comm
