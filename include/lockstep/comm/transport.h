// The transports that can be made by hand; World picks one for most programs.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "lockstep/comm/communicator.h"

namespace lockstep::comm {

// The only rank of a job of one; needs no MPI.
std::unique_ptr<Communicator> self();

// The ranks of an MPI job, on a communicator of our own. Initialises MPI unless the program has
// done so, and then finalises it too. CommError where the MPI library refuses. `communicator` is
// what MPI_Comm_c2f gives for a program's own communicator, whose ranks all call this; without it,
// MPI_COMM_WORLD.
std::unique_ptr<Communicator> mpi(std::optional<int> communicator = {});

// The same ranks with shared memory inside each host and MPI between hosts. `host`, for tests,
// makes ranks that give the same number pass for a host of their own; they must in truth share one.
// Collective; DeviceError, on every rank, where a host has no shared memory to give.
std::unique_ptr<Communicator> hybrid(std::optional<int> communicator = {},
                                     std::optional<int> host = {});

// Processes of one host that meet in shared memory: the ranks of `bootstrap`, which must all be on
// this host and may go afterwards. Collective. Memory from allocate() is folded and copied straight
// from rank to rank; other memory travels through a window. UsageError where ranks are on other
// hosts, DeviceError where the host lacks memory.
std::unique_ptr<Communicator> shm(Communicator& bootstrap);
// The same among `size` threads of this process, for tests. A thread that waits in allocate() or
// split() needs the others to run.
std::vector<std::unique_ptr<Communicator>> shm_threads(int size);

// What goes wrong on purpose with one call of one rank; for tests.
struct Disturbance {
  enum class Kind : std::uint8_t { drop, delay, reorder };
  Kind kind = Kind::drop;
  int rank = 0;
  std::uint64_t sequence = 1;          // the call's number
  std::chrono::milliseconds delay{0};  // delay: its messages leave so much later
};  // drop: they never leave; reorder: they leave after the next call's

// `size` ranks of this process, one communicator per thread. The same program gives the same bits
// every time.
std::vector<std::unique_ptr<Communicator>> threads(
    int size, const std::vector<Disturbance>& disturbances = {});

}  // namespace lockstep::comm
