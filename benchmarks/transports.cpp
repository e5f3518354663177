#include "benchmarks/transports.h"

#include "lockstep/base/error.h"
#include "lockstep/comm/transport.h"

namespace lockstep::bench {

std::vector<std::string> transport_names() { return {"auto", "self", "mpi", "shm", "hybrid"}; }

std::unique_ptr<comm::Communicator> joined_over(const std::string& name, World& world) {
  check<UsageError>(name != "self" || world.size() == 1, [&] {
    return Complaint{"--transport self on " + std::to_string(world.size()) + " ranks",
                     "start it without mpirun, or leave --transport out"};
  });
  if (name == "self") return comm::self();
  if (name == "mpi") return comm::mpi();
  if (name == "shm") return comm::shm(world.communicator());
  if (name == "hybrid") return comm::hybrid();
  return nullptr;
}

}  // namespace lockstep::bench
