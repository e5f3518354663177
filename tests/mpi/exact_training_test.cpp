// Training over MPI ends with the bits of one process.
#include <gtest/gtest.h>

#include <cstdio>

#include "lockstep/comm/transport.h"
#include "tests/support/training_run.h"

namespace lockstep::tests {
namespace {

TEST(ExactTraining, EndsWithTheBitsOfOneProcessOverMpi) {
  World job({.shards = 4});
  for (const Model model : {Model::mlp, Model::cnn}) {
    TrainingRun run{.model = model};
    World alone(comm::self(), {.shards = 4});
    const std::uint64_t expected = fingerprint_after(alone, run);
    for (const Tail tail : {Tail::automatic, Tail::plain, Tail::fused}) {
      run.options.tail = tail;
      const std::uint64_t found = fingerprint_after(job, run);
      EXPECT_EQ(found, expected);
      if (job.is_root()) {
        std::printf("%016llx on %d ranks\n", static_cast<unsigned long long>(found), job.size());
      }
    }
  }
}

}  // namespace
}  // namespace lockstep::tests
