// Messages over an MPI communicator: non-blocking calls and tests only.
#pragma once

#include <mpi.h>

#include <source_location>
#include <vector>

#include "src/comm/messages.h"

namespace lockstep::comm {

// Throws CommError with MPI's own words unless `status` is MPI_SUCCESS.
void check_mpi(int status, const char* call,
               std::source_location where = std::source_location::current());

class MpiMessages final : public Messages {
 public:
  MpiMessages(MPI_Comm communicator, std::uint64_t sequence, std::uint64_t tags)
      : communicator_(communicator), sequence_(sequence), tags_(tags) {}

  void send(int peer, std::uint64_t index, const void* data, std::size_t bytes,
            Token token) override;
  void receive(int peer, std::uint64_t index, void* data, std::size_t bytes, Token token) override;
  void poll(std::vector<Token>& finished) override;

 private:
  // Calls under way differ in their upper part. MPI keeps the order of equal tags between two
  // ranks, so that a collision could only confuse messages that are thousands of calls apart.
  int tag(std::uint64_t index) const {
    return static_cast<int>(((sequence_ << 18U) + index) % tags_);
  }

  MPI_Comm communicator_;
  std::uint64_t sequence_;
  std::uint64_t tags_;
  std::vector<MPI_Request> requests_;
  std::vector<Token> tokens_;
  std::vector<int> finished_indices_;
};

}  // namespace lockstep::comm
