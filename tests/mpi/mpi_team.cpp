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
  void TearDown() override { communicator.reset(); }

 private:
  inline static std::unique_ptr<comm::Communicator> communicator;
};

[[maybe_unused]] const auto* const job = testing::AddGlobalTestEnvironment(new MpiJob);

}  // namespace

std::vector<Team> teams() {
  return {{"mpi", [](const RankBody& body) { body(MpiJob::ranks()); }}};
}

}  // namespace lockstep::tests
