#include <mpi.h>

#include <cstdio>
#include <cstdlib>

#include <unistd.h>

#include "lockstep/comm/transport.h"
#include "src/comm/message_communicator.h"
#include "src/comm/mpi_messages.h"

namespace lockstep::comm {
namespace {

MPI_Comm duplicate_of_world() {
  MPI_Comm own = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &own), "MPI_Comm_dup");
  MPI_Comm_set_errhandler(own, MPI_ERRORS_RETURN);
  return own;
}

Membership membership_of(MPI_Comm communicator, const Group& group) {
  Membership member{.transport = "mpi", .group = group};
  MPI_Comm_rank(communicator, &member.rank);
  MPI_Comm_size(communicator, &member.size);
  MPI_Comm host = MPI_COMM_NULL;
  check_mpi(
      MPI_Comm_split_type(communicator, MPI_COMM_TYPE_SHARED, member.rank, MPI_INFO_NULL, &host),
      "MPI_Comm_split_type");
  MPI_Comm_rank(host, &member.local_rank);
  MPI_Comm_size(host, &member.local_size);
  MPI_Comm_free(&host);
  return member;
}

// MPI keeps the bound with MPI_COMM_WORLD; communicators that were split from it do not have it.
std::uint64_t number_of_tags() {
  int* upper_bound = nullptr;
  int is_set = 0;
  MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &upper_bound, &is_set);
  return is_set != 0 ? static_cast<std::uint64_t>(*upper_bound) + 1 : 32768;
}

// First base: MPI must run before the communicator exists and until it is freed.
struct MpiHandle {
  std::shared_ptr<MpiJob> job = std::make_shared<MpiJob>();
  MPI_Comm communicator = duplicate_of_world();
};

class Mpi final : private MpiHandle, public MessageCommunicator {
 public:
  explicit Mpi(MpiHandle handle = {}, const Group& group = {})
      : MpiHandle(std::move(handle)),
        MessageCommunicator(membership_of(communicator, group)),
        tags_(number_of_tags()) {}
  ~Mpi() override {
    if (is_poisoned()) {
      job->abandon();
    } else {
      MPI_Comm_free(&communicator);
    }
  }

  void give_up(int exit_code) noexcept override {
    std::fflush(nullptr);
    MPI_Abort(communicator, exit_code);
    _exit(exit_code);
  }

 private:
  std::unique_ptr<Messages> open(const Channel& channel) override {
    return std::make_unique<MpiMessages>(*job, communicator, channel, tags_);
  }
  std::unique_ptr<Communicator> subset(std::span<const int> ranks, int index,
                                       const Group& group) override {
    MPI_Comm part = MPI_COMM_NULL;
    const int color = ranks.empty() ? MPI_UNDEFINED : ranks.front();
    check_mpi(MPI_Comm_split(communicator, color, index, &part), "MPI_Comm_split");
    if (part == MPI_COMM_NULL) return nullptr;
    MPI_Comm_set_errhandler(part, MPI_ERRORS_RETURN);
    return std::make_unique<Mpi>(MpiHandle{job, part}, group);
  }
  std::optional<Agreement::Notice> unanswered() override {
    return MpiMessages::unanswered(communicator, tags_);
  }
  // MPI cannot cancel a send; World ends the process.
  void abort(const CommError& why) noexcept override { job->tell(why); }

  std::uint64_t tags_;
};

}  // namespace

std::unique_ptr<Communicator> mpi() { return std::make_unique<Mpi>(); }

}  // namespace lockstep::comm
