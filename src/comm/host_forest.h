// Who adds what when ranks share hosts: a host joins its ranks' partials into the maximal subtrees
// of all its shards, and whoever finishes a sum takes its own host's partials and the other hosts'
// subtrees, in the order of the one tree.
#pragma once

#include <vector>

#include "lockstep/core/shard.h"
#include "src/comm/hosts.h"

namespace lockstep::comm {

struct HostForest {
  HostForest(const Hosts& hosts, int shards);

  // A subtree of a host, and the partials that it is made of; they have consecutive numbers among
  // those of the host.
  struct Joined {
    core::TreeNode node;
    std::vector<int> partials;
    std::vector<core::FoldStep> program;
  };
  // What a host's sum is made of: a partial of its own or another host's subtree, by its number.
  struct Input {
    core::TreeNode node;
    int host = 0;
    int number = 0;
  };
  struct Sum {
    std::vector<Input> inputs;
    std::vector<core::FoldStep> program;
  };

  int partials() const { return static_cast<int>(rank_of.size()); }

  std::vector<int> first;    // number of each rank's first partial, and one past the last
  std::vector<int> rank_of;  // each partial's
  std::vector<std::vector<Joined>> joined;  // by host
  std::vector<Sum> sums;                    // by host
};

}  // namespace lockstep::comm
