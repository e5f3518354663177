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

int own_rank() {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

}  // namespace

// Of the hybrid ranks every other one passes for one of a second host.
std::vector<Team> fragile_teams() {
  return {{"mpi", [](const RankBody& body) { body(*comm::mpi()); }},
          {"hybrid", [](const RankBody& body) { body(*comm::hybrid({}, own_rank() % 2)); }}};
}

}  // namespace lockstep::tests
