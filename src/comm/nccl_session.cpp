#include "src/comm/nccl_session.h"

#include <fmt/format.h>

#include <thread>

#include "lockstep/base/error.h"

namespace lockstep::comm {
namespace {

constexpr std::chrono::milliseconds pause{1};  // between two looks at a call that goes on

// Rank 0 makes the id. Where it cannot, the others learn it too instead of waiting for NCCL.
NcclId shared_id(const NcclTable& nccl, Communicator& over, NcclStatus& status) {
  struct {
    NcclId id;
    std::int32_t status;
  } message{};
  if (over.rank() == 0) message.status = nccl.unique_id(&message.id);
  over.broadcast({&message, sizeof message, DType::u8, {}, {}}, 0, core::current_stream(Device{}))
      .wait();
  status = message.status;
  return message.id;
}

}  // namespace

NcclSession::NcclSession(const NcclTable& nccl, Communicator& over,
                         std::chrono::milliseconds patience)
    : nccl_(nccl), patience_(patience) {
  NcclStatus status = nccl_status::success;
  const NcclId id = shared_id(nccl, over, status);
  finish(status, "ncclGetUniqueId");
  finish(nccl_.join(&handle_, over.size(), id, over.rank()), "ncclCommInitRankConfig");
}

NcclSession::~NcclSession() {
  if (handle_ == nullptr) return;
  const bool is_left = settled(nccl_.finalize(handle_)) == nccl_status::success;
  is_left ? static_cast<void>(nccl_.destroy(handle_)) : abort();
}

void NcclSession::check_health() {
  NcclStatus now = nccl_status::success;
  const NcclStatus asked = nccl_.state(handle_, &now);
  if (asked != nccl_status::success) fail(asked, "ncclCommGetAsyncError");
  if (now != nccl_status::success && now != nccl_status::in_progress)
    fail(now, "a collective of NCCL");
}

void NcclSession::abort() noexcept {
  if (handle_ != nullptr) nccl_.abort(handle_);
  handle_ = nullptr;
}

// What a call that does not block comes to; in_progress where that takes too long.
NcclStatus NcclSession::settled(NcclStatus status) {
  const auto deadline = std::chrono::steady_clock::now() + patience_;
  while (status == nccl_status::in_progress && handle_ != nullptr) {
    const NcclStatus asked = nccl_.state(handle_, &status);
    if (asked != nccl_status::success) return asked;
    if (status != nccl_status::in_progress) break;
    if (std::chrono::steady_clock::now() >= deadline) break;
    std::this_thread::sleep_for(pause);
  }
  return status;
}

void NcclSession::finish(NcclStatus status, const char* call) {
  status = settled(status);
  if (status != nccl_status::success) fail(status, call);
}

void NcclSession::fail(NcclStatus status, const char* call) {
  const bool is_late = status == nccl_status::in_progress;
  const std::string what = is_late
                               ? fmt::format("{} not finished after {} ms", call, patience_.count())
                               : fmt::format("{} failed: {} ({})", call, nccl_.meaning(status),
                                             nccl_.last_error(handle_));
  abort();
  throw CommError({what, is_late
                             ? "see which rank is missing; NCCL_DEBUG=INFO shows how far each is"
                             : "run with NCCL_DEBUG=WARN to see what NCCL says of it"});
}

}  // namespace lockstep::comm
