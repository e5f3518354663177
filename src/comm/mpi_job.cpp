#include "src/comm/mpi_job.h"

#include <chrono>
#include <new>
#include <string>
#include <vector>

namespace lockstep::comm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned calls_between_looks = 64;
constexpr std::chrono::milliseconds time_to_leave{50};

// Small enough for MPI to take it at once.
struct FailureNotice {
  int rank = 0;
  char problem[1024] = {};
  char where[256] = {};
  char fix[512] = {};
};

// Where it is still on its way when its sender goes on, memory must not go.
struct Farewell {
  FailureNotice notice;
  std::vector<MPI_Request> requests;
};

}  // namespace

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

MpiLibrary::MpiLibrary(bool is_expected) {
  int is_initialized = 0;
  MPI_Initialized(&is_initialized);
  if (is_initialized != 0) return;
  check<UsageError>(!is_expected, [] {
    return Complaint{"mpi: the handle of a communicator is given, but MPI is not initialized",
                     "call MPI_Init first, or give no handle: lockstep then does it itself"};
  });
  int provided = MPI_THREAD_SINGLE;
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), "MPI_Init_thread");
  is_ours_ = true;
}

MpiLibrary::~MpiLibrary() {
  if (is_ours_) MPI_Finalize();
}

MpiJob::MpiJob(std::optional<int> handle) : library_(handle.has_value()) {
  const MPI_Comm whole = handle ? MPI_Comm_f2c(*handle) : MPI_COMM_WORLD;
  check<UsageError>(whole != MPI_COMM_NULL, [] {
    return Complaint{"mpi: the handle is that of MPI_COMM_NULL",
                     "build the World only on ranks that belong to the communicator"};
  });
  check_mpi(MPI_Comm_dup(whole, &control_), "MPI_Comm_dup");
  MPI_Comm_set_errhandler(control_, MPI_ERRORS_RETURN);
}

MpiJob::~MpiJob() {
  if (!is_abandoned_) MPI_Comm_free(&control_);
}

void MpiJob::abandon() {
  is_abandoned_ = true;
  library_.abandon();
}

void MpiJob::tell(const CommError& why) noexcept {
  if (has_told_ || told_) return;
  has_told_ = true;
  auto* farewell = new (std::nothrow) Farewell;
  if (farewell == nullptr) return;
  MPI_Comm_rank(control_, &farewell->notice.rank);
  write_text(why.problem(), farewell->notice.problem);
  write_text(why.where(), farewell->notice.where);
  write_text(why.fix(), farewell->notice.fix);
  int size = 0;
  MPI_Comm_size(control_, &size);
  farewell->requests.assign(static_cast<std::size_t>(size), MPI_REQUEST_NULL);
  for (int rank = 0; rank < size; ++rank) {
    if (rank == farewell->notice.rank) continue;
    MPI_Isend(&farewell->notice, sizeof farewell->notice, MPI_BYTE, rank, 0, control_,
              &farewell->requests[static_cast<std::size_t>(rank)]);
  }
  int is_through = 0;
  for (const auto begin = Clock::now(); is_through == 0 && Clock::now() - begin < time_to_leave;)
    MPI_Testall(size, farewell->requests.data(), &is_through, MPI_STATUSES_IGNORE);
  if (is_through != 0) delete farewell;
}

void MpiJob::refuse_if_told() {
  if (told_) throw ConsequentError(*told_);
  if (++calls_ % calls_between_looks != 0) return;
  int is_there = 0;
  MPI_Status status;
  check_mpi(MPI_Iprobe(MPI_ANY_SOURCE, 0, control_, &is_there, &status), "MPI_Iprobe");
  if (is_there == 0) return;
  FailureNotice notice;
  check_mpi(
      MPI_Recv(&notice, sizeof notice, MPI_BYTE, status.MPI_SOURCE, 0, control_, MPI_STATUS_IGNORE),
      "MPI_Recv");
  told_ = peer_failure(notice.rank, notice.problem, notice.where, notice.fix);
  throw ConsequentError(*told_);
}

}  // namespace lockstep::comm
