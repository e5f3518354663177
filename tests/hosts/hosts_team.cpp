#include <gmock/gmock.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "lockstep/base/error.h"
#include "lockstep/comm/transport.h"
#include "lockstep/comm/world.h"
#include "src/comm/job.h"
#include "tests/support/conformance.h"

namespace lockstep::tests {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// One job for all cases of this process, on MPI alone and as World joins it.
class Hosts final : public testing::Environment {
 public:
  static comm::Communicator& over_mpi() {
    if (!communicator) communicator = comm::mpi();
    return *communicator;
  }
  static comm::Communicator& as_world_joins_them() {
    over_mpi();  // keeps MPI to the end
    if (!world) world = std::make_unique<World>();
    return world->communicator();
  }
  void TearDown() override {
    world.reset();
    communicator.reset();
  }

 private:
  inline static std::unique_ptr<comm::Communicator> communicator;
  inline static std::unique_ptr<World> world;
};

[[maybe_unused]] const auto* const job = testing::AddGlobalTestEnvironment(new Hosts);

TEST(Hosts, AreJoinedByTheHybridTransport) {
  EXPECT_EQ(Hosts::as_world_joins_them().transport(), "hybrid");
}

TEST(Hosts, AreNotJoinedBySharedMemoryAlone) {
  Hosts::over_mpi();  // keeps MPI to the end
  setenv("LOCKSTEP_TRANSPORT", "shm", 1);
  std::string message = "no error";
  try {
    comm::joined_job({});
  } catch (const UsageError& error) {
    message = error.what();
  }
  unsetenv("LOCKSTEP_TRANSPORT");
  EXPECT_THAT(message, AllOf(HasSubstr("LOCKSTEP_TRANSPORT=shm joins the ranks of one host, but "),
                             HasSubstr("ranks are on other hosts than rank "),
                             HasSubstr("fix:   leave LOCKSTEP_TRANSPORT out or give hybrid")));
}

}  // namespace

std::vector<Team> teams() {
  return {{"mpi", [](const RankBody& body) { body(Hosts::over_mpi()); }},
          {"hybrid", [](const RankBody& body) { body(Hosts::as_world_joins_them()); }}};
}

}  // namespace lockstep::tests
