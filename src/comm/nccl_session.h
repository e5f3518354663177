// A communicator of NCCL: how ranks join it and leave it, in bounded time.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "lockstep/comm/communicator.h"
#include "src/comm/nccl_table.h"

namespace lockstep::comm {

class NcclSession {
 public:
  // Joins the ranks of `over`, which carries NCCL's unique id to them. Collective. CommError where
  // that takes longer than `patience` or NCCL reports a failure; what has begun is aborted then.
  NcclSession(const NcclTable& nccl, Communicator& over, std::chrono::milliseconds patience);
  NcclSession(const NcclSession&) = delete;
  NcclSession& operator=(const NcclSession&) = delete;
  // Leaves with the other ranks, or alone where they do not follow in time.
  ~NcclSession();

  NcclHandle handle() const { return handle_; }
  // Throws CommError where NCCL has met a failure since; asks, and never waits.
  void check_health();
  // Ends what is in flight, here only.
  void abort() noexcept;

 private:
  void finish(NcclStatus status, const char* call);
  NcclStatus settled(NcclStatus status);
  [[noreturn]] void fail(NcclStatus status, const char* call);

  const NcclTable& nccl_;
  std::chrono::milliseconds patience_;
  NcclHandle handle_ = nullptr;
};

}  // namespace lockstep::comm
