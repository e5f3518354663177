#include "src/comm/mpi_messages.h"

namespace lockstep::comm {

void MpiMessages::send(int peer, std::uint64_t index, const void* data, std::size_t bytes,
                       Token token) {
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(
      MPI_Isend(data, static_cast<int>(bytes), MPI_BYTE, peer, tag(index), communicator_, &request),
      "MPI_Isend");
  requests_.push_back(request);
  tokens_.push_back(token);
}

void MpiMessages::receive(int peer, std::uint64_t index, void* data, std::size_t bytes,
                          Token token) {
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(
      MPI_Irecv(data, static_cast<int>(bytes), MPI_BYTE, peer, tag(index), communicator_, &request),
      "MPI_Irecv");
  requests_.push_back(request);
  tokens_.push_back(token);
}

void MpiMessages::poll(std::vector<Token>& finished) {
  if (requests_.empty()) return;
  int count = 0;
  finished_indices_.resize(requests_.size());
  check_mpi(MPI_Testsome(static_cast<int>(requests_.size()), requests_.data(), &count,
                         finished_indices_.data(), MPI_STATUSES_IGNORE),
            "MPI_Testsome");
  if (count <= 0) return job_.refuse_if_told();
  for (int i = 0; i < count; ++i) {
    finished.push_back(
        tokens_[static_cast<std::size_t>(finished_indices_[static_cast<std::size_t>(i)])]);
  }
  std::size_t kept = 0;  // finished requests have become MPI_REQUEST_NULL
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    if (requests_[i] == MPI_REQUEST_NULL) continue;
    requests_[kept] = requests_[i];
    tokens_[kept++] = tokens_[i];
  }
  requests_.resize(kept);
  tokens_.resize(kept);
}

std::optional<Agreement::Notice> MpiMessages::unanswered(MPI_Comm communicator,
                                                         std::uint64_t tags) {
  int is_there = 0;
  MPI_Status status;
  check_mpi(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, communicator, &is_there, &status),
            "MPI_Iprobe");
  if (is_there == 0) return std::nullopt;
  int bytes = 0;
  MPI_Get_count(&status, MPI_BYTE, &bytes);
  const auto tag = static_cast<std::uint64_t>(status.MPI_TAG);
  const std::uint64_t index = tag & ((std::uint64_t{1} << index_bits) - 1);
  if (tag >= tags / 2 || !Agreement::is_notice(index, static_cast<std::size_t>(bytes)))
    return std::nullopt;
  Agreement::Notice notice;
  check_mpi(MPI_Recv(&notice, bytes, MPI_BYTE, status.MPI_SOURCE, status.MPI_TAG, communicator,
                     MPI_STATUS_IGNORE),
            "MPI_Recv");
  return notice;
}

}  // namespace lockstep::comm
