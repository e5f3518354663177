#include <mpi.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "lockstep/base/error.h"
#include "lockstep/comm/transport.h"
#include "src/comm/mpi_communicator.h"
#include "src/comm/mpi_messages.h"
#include "src/comm/watchdog.h"

namespace lockstep::comm {
namespace {

MPI_Comm duplicate_of(MPI_Comm communicator) {
  const LimitedPhase phase("MPI_Comm_dup");
  MPI_Comm own = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(communicator, &own), "MPI_Comm_dup");
  MPI_Comm_set_errhandler(own, MPI_ERRORS_RETURN);
  return own;
}

// The ranks of this host, in their order; freed at the end.
class Host {
 public:
  explicit Host(MPI_Comm communicator) {
    const LimitedPhase phase("MPI_Comm_split_type");
    int rank = 0;
    MPI_Comm_rank(communicator, &rank);
    check_mpi(MPI_Comm_split_type(communicator, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &ranks_),
              "MPI_Comm_split_type");
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host() { MPI_Comm_free(&ranks_); }

  int rank() const {
    int rank = 0;
    MPI_Comm_rank(ranks_, &rank);
    return rank;
  }
  int size() const {
    int size = 1;
    MPI_Comm_size(ranks_, &size);
    return size;
  }
  // What the first of them says.
  int first_ones(int value) const {
    const LimitedPhase phase("MPI_Bcast");
    check_mpi(MPI_Bcast(&value, 1, MPI_INT, 0, ranks_), "MPI_Bcast");
    return value;
  }

 private:
  MPI_Comm ranks_ = MPI_COMM_NULL;
};

Membership membership_of(MPI_Comm communicator, const Group& group) {
  Membership member{.transport = "mpi", .group = group};
  MPI_Comm_rank(communicator, &member.rank);
  MPI_Comm_size(communicator, &member.size);
  const Host host(communicator);
  member.local_rank = host.rank();
  member.local_size = host.size();
  return member;
}

// MPI keeps the bound with MPI_COMM_WORLD; communicators that were split from it do not have it.
std::uint64_t number_of_tags() {
  int* upper_bound = nullptr;
  int is_set = 0;
  MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &upper_bound, &is_set);
  return is_set != 0 ? static_cast<std::uint64_t>(*upper_bound) + 1 : 32768;
}

}  // namespace

std::unique_ptr<MpiCommunicator> MpiCommunicator::joined(std::optional<int> handle) {
  auto job = std::make_shared<MpiJob>(handle);
  const MPI_Comm own = duplicate_of(job->ranks());
  return std::make_unique<MpiCommunicator>(MpiHandle{std::move(job), own}, Group{});
}

MpiCommunicator::MpiCommunicator(MpiHandle handle, const Group& group)
    : MpiHandle(std::move(handle)),
      MessageCommunicator(membership_of(communicator, group)),
      tags_(number_of_tags()),
      first_on_host_(Host(communicator).first_ones(rank())) {}

MpiCommunicator::~MpiCommunicator() {
  if (is_poisoned()) {
    job->abandon();
  } else {
    MPI_Comm_free(&communicator);
  }
}

std::unique_ptr<MpiCommunicator> MpiCommunicator::duplicate() {
  return std::make_unique<MpiCommunicator>(MpiHandle{job, duplicate_of(communicator)},
                                           membership().group);
}

std::unique_ptr<MpiCommunicator> MpiCommunicator::part(std::span<const int> ranks, int index,
                                                       const Group& group) {
  MPI_Comm part = MPI_COMM_NULL;
  const int color = ranks.empty() ? MPI_UNDEFINED : ranks.front();
  const LimitedPhase phase("MPI_Comm_split");
  check_mpi(MPI_Comm_split(communicator, color, index, &part), "MPI_Comm_split");
  if (part == MPI_COMM_NULL) return nullptr;
  MPI_Comm_set_errhandler(part, MPI_ERRORS_RETURN);
  return std::make_unique<MpiCommunicator>(MpiHandle{job, part}, group);
}

std::unique_ptr<Messages> MpiCommunicator::open(const Channel& channel) {
  return std::make_unique<MpiMessages>(*job, communicator, channel, tags_);
}

std::optional<Agreement::Notice> MpiCommunicator::unanswered() {
  return MpiMessages::unanswered(communicator, tags_);
}

void MpiCommunicator::give_up(int exit_code) noexcept {
  std::fflush(nullptr);
  MPI_Abort(communicator, exit_code);
  _exit(exit_code);
}

std::unique_ptr<Communicator> mpi(std::optional<int> communicator) {
  return MpiCommunicator::joined(communicator);
}

}  // namespace lockstep::comm
