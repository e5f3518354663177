// The exactness matrix on ranks that are threads of this process.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/exact_matrix.h"
#include "tests/support/scratch.h"
#include "tests/support/thread_world.h"

namespace lockstep::tests {
namespace {

using Make = std::function<std::vector<std::unique_ptr<comm::Communicator>>(int ranks)>;

JoinedRanks joined_by(const std::string& name, const Make& make) {
  return {name, [make](int ranks, int shards, const JoinedRanks::Body& body) {
            return results_on(make(ranks), body, {.shards = shards});
          }};
}

}  // namespace

ExactMatrix exact_matrix() {
  static const Scratch scratch;
  return {{joined_by("threads", [](int ranks) { return comm::threads(ranks); }),
           joined_by("shm", comm::shm_threads)},
          scratch.folder()};
}

}  // namespace lockstep::tests
