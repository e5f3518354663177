// How a launched program's ranks are joined.
#pragma once

#include <memory>
#include <optional>

#include "lockstep/comm/communicator.h"
#include "src/comm/mpi_communicator.h"

namespace lockstep::comm {

struct Job {
  std::unique_ptr<Communicator> launcher;  // mpi, which can end all ranks; nothing without MPI
  std::unique_ptr<Communicator> ranks;     // what the program uses
};

// The ranks of the MPI communicator with that handle (MPI_COMM_WORLD without one), by the transport
// that LOCKSTEP_TRANSPORT names. auto, the default, is shared memory on one host, hybrid on
// several, and mpi, with a logged reason, where a host has no shared memory to give. Collective.
Job joined_job(std::optional<int> mpi_communicator);

// Ranks of several hosts: shared memory within a host, MPI between them. Collective; DeviceError,
// on every rank, where a host has no shared memory to give.
std::unique_ptr<Communicator> hybrid(std::unique_ptr<MpiCommunicator> ranks);

}  // namespace lockstep::comm
