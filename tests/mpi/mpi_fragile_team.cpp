#include <mpi.h>

#include "lockstep/comm/transport.h"
#include "tests/support/mistakes.h"

namespace lockstep::tests {
namespace {

// MPI is the tests' own, since a communicator that has failed leaves it unfinished.
class MpiOfTheTests final : public testing::Environment {
 public:
  void SetUp() override { MPI_Init(nullptr, nullptr); }
  void TearDown() override { MPI_Finalize(); }
};

[[maybe_unused]] const auto* const mpi = testing::AddGlobalTestEnvironment(new MpiOfTheTests);

}  // namespace

std::vector<Team> fragile_teams() {
  return {{"mpi", [](const RankBody& body) { body(*comm::mpi()); }}};
}

}  // namespace lockstep::tests
