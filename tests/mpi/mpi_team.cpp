#include <memory>

#include "lockstep/comm/transport.h"
#include "tests/support/conformance.h"

namespace lockstep::tests {
namespace {

// One communicator for all cases of this process; it goes, and MPI with it, when the tests are
// over.
class MpiJob final : public testing::Environment {
 public:
  static comm::Communicator& ranks() {
    if (!communicator) communicator = comm::mpi();
    return *communicator;
  }
  // The same ranks, which mpirun has started on one host, in shared memory.
  static comm::Communicator& ranks_in_shared_memory() {
    if (!shared_memory) shared_memory = comm::shm(ranks());
    return *shared_memory;
  }
  void TearDown() override {
    shared_memory.reset();
    communicator.reset();
  }

 private:
  inline static std::unique_ptr<comm::Communicator> communicator;
  inline static std::unique_ptr<comm::Communicator> shared_memory;
};

[[maybe_unused]] const auto* const job = testing::AddGlobalTestEnvironment(new MpiJob);

}  // namespace

std::vector<Team> teams() {
  return {{"mpi", [](const RankBody& body) { body(MpiJob::ranks()); }},
          {"shm", [](const RankBody& body) { body(MpiJob::ranks_in_shared_memory()); }}};
}

}  // namespace lockstep::tests
