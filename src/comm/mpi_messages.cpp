#include "src/comm/mpi_messages.h"

#include <string>

#include "lockstep/base/error.h"

namespace lockstep::comm {

void check_mpi(int status, const char* call, std::source_location where) {
  check<CommError>(
      status == MPI_SUCCESS,
      [&] {
        char text[MPI_MAX_ERROR_STRING] = {};
        int length = 0;
        MPI_Error_string(status, text, &length);
        return Complaint{
            std::string(call) + ": " + std::string(text, static_cast<std::size_t>(length)),
            "make the same calls with the same counts on every rank; look at the other "
            "ranks' messages"};
      },
      where);
}

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
  if (count <= 0) return;
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

}  // namespace lockstep::comm
