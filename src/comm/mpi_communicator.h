// The ranks of an MPI communicator: every message is an MPI message.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "src/comm/message_communicator.h"
#include "src/comm/mpi_job.h"

namespace lockstep::comm {

// First base: MPI must run before the communicator exists and until it is freed.
struct MpiHandle {
  std::shared_ptr<MpiJob> job;
  MPI_Comm communicator = MPI_COMM_NULL;
};

class MpiCommunicator final : private MpiHandle, public MessageCommunicator {
 public:
  // A duplicate of the communicator with that handle, of MPI_COMM_WORLD without one. Collective.
  static std::unique_ptr<MpiCommunicator> joined(std::optional<int> handle);

  MpiCommunicator(MpiHandle handle, const Group& group);
  ~MpiCommunicator() override;

  // The same ranks, apart from this one. Collective.
  std::unique_ptr<MpiCommunicator> duplicate();
  std::unique_ptr<MpiCommunicator> part(std::span<const int> ranks, int index, const Group& group);
  // The lowest rank on this host.
  int first_on_host() const { return first_on_host_; }
  std::unique_ptr<Messages> open(const Channel& channel) override;
  std::optional<Agreement::Notice> unanswered() override;
  void give_up(int exit_code) noexcept override;
  // Tells every rank of the job. MPI cannot cancel a send; World ends the process.
  void abort(const CommError& why) noexcept override { job->tell(why); }

 private:
  std::unique_ptr<Communicator> subset(std::span<const int> ranks, int index,
                                       const Group& group) override {
    return part(ranks, index, group);
  }
  std::uint64_t tags_;
  int first_on_host_ = 0;
};

}  // namespace lockstep::comm
