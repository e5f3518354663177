// The transports whose ranks are threads of this process, for the exactness matrix.
#pragma once

#include <vector>

#include "tests/support/exact_matrix.h"
#include "tests/support/thread_world.h"

namespace lockstep::tests {

inline JoinedRanks joined_threads(
    const std::string& name,
    const std::function<std::vector<std::unique_ptr<comm::Communicator>>(int)>& make) {
  return {name, [make](int ranks, int shards, const JoinedRanks::Body& body) {
            return results_on(make(ranks), body, {.shards = shards});
          }};
}

inline std::vector<JoinedRanks> local_ranks() {
  return {joined_threads("threads", [](int ranks) { return comm::threads(ranks); }),
          joined_threads("shm", comm::shm_threads)};
}

}  // namespace lockstep::tests
