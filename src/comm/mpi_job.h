// What the communicators of one MPI job share: the library, and the word of a failure.
#pragma once

#include <mpi.h>

#include <optional>
#include <source_location>

#include "lockstep/base/error.h"
#include "src/comm/peer_failure.h"

namespace lockstep::comm {

// Throws CommError with MPI's own words unless `status` is MPI_SUCCESS.
void check_mpi(int status, const char* call,
               std::source_location where = std::source_location::current());

// Initialises MPI unless the program has, and finalises what it initialised.
class MpiLibrary {
 public:
  // Expected: the program must have initialised it.
  explicit MpiLibrary(bool is_expected);
  MpiLibrary(const MpiLibrary&) = delete;
  MpiLibrary& operator=(const MpiLibrary&) = delete;
  ~MpiLibrary();
  // The process ends without finalising: peers may never come.
  void abandon() { is_ours_ = false; }

 private:
  bool is_ours_ = false;
};

// One thread at a time uses a job, as MPI_THREAD_SERIALIZED demands.
class MpiJob {
 public:
  // Collective over the ranks of the MPI communicator with that handle; without one, all of the
  // job.
  explicit MpiJob(std::optional<int> handle = {});
  MpiJob(const MpiJob&) = delete;
  MpiJob& operator=(const MpiJob&) = delete;
  ~MpiJob();

  // Tells every other rank, whatever communicator it waits in; the first failure only.
  void tell(const CommError& why) noexcept;
  // Throws CommError when another rank has told of its failure. Looks at every 64th call only.
  void refuse_if_told();
  void abandon();
  // A communicator of all its ranks, not for messages.
  MPI_Comm ranks() const { return control_; }

 private:
  MpiLibrary library_;
  MPI_Comm control_ = MPI_COMM_NULL;
  std::optional<ConsequentError> told_;
  bool has_told_ = false;
  bool is_abandoned_ = false;
  unsigned calls_ = 0;
};

}  // namespace lockstep::comm
