// Messages over an MPI communicator: non-blocking calls and tests only.
#pragma once

#include <mpi.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "src/comm/agreement.h"
#include "src/comm/messages.h"
#include "src/comm/mpi_job.h"

namespace lockstep::comm {

class MpiMessages final : public Messages {
 public:
  MpiMessages(MpiJob& job, MPI_Comm communicator, const Channel& channel, std::uint64_t tags)
      : job_(job), communicator_(communicator), channel_(channel), tags_(tags) {}

  void send(int peer, std::uint64_t index, const void* data, std::size_t bytes,
            Token token) override;
  void receive(int peer, std::uint64_t index, void* data, std::size_t bytes, Token token) override;
  void poll(std::vector<Token>& finished) override;

  // What a rank says of a collective on `communicator` that this rank has not made.
  static std::optional<Agreement::Notice> unanswered(MPI_Comm communicator, std::uint64_t tags);

 private:
  static constexpr unsigned index_bits = 18;

  // The lower half of the tags is for collectives. Calls under way differ in their upper part. MPI
  // keeps the order of equal tags between two ranks, so that a collision could only confuse
  // messages that are thousands of calls apart.
  int tag(std::uint64_t index) const {
    const std::uint64_t half = tags_ / 2;
    const std::uint64_t first = channel_.is_point_to_point ? half : 0;
    return static_cast<int>(first + ((channel_.sequence << index_bits) + index) % half);
  }

  MpiJob& job_;
  MPI_Comm communicator_;
  Channel channel_;
  std::uint64_t tags_;
  std::vector<MPI_Request> requests_;
  std::vector<Token> tokens_;
  std::vector<int> finished_indices_;
};

}  // namespace lockstep::comm
