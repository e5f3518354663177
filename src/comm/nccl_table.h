// The calls of NCCL that ranks on GPUs are joined by, as a table: the library's, from its plug-in,
// or a fake in tests. Needs no header of NCCL.
#pragma once

namespace lockstep::comm {

using NcclStatus = int;    // ncclResult_t
using NcclHandle = void*;  // ncclComm_t

// The values of ncclResult_t that are told apart (nccl/plugin.cpp asserts that they are NCCL's).
namespace nccl_status {
inline constexpr NcclStatus success = 0;
inline constexpr NcclStatus in_progress = 7;
}  // namespace nccl_status

struct NcclId {
  char bytes[128];
};

struct NcclTable {
  int version = 0;                                // 22809 for 2.28.9
  NcclStatus (*unique_id)(NcclId* id) = nullptr;  // ncclGetUniqueId
  // ncclCommInitRankConfig without blocking, for the calling thread's device.
  NcclStatus (*join)(NcclHandle* joined, int ranks, const NcclId& id, int rank) = nullptr;
  NcclStatus (*state)(NcclHandle of, NcclStatus* state) = nullptr;  // ncclCommGetAsyncError
  NcclStatus (*finalize)(NcclHandle of) = nullptr;                  // ncclCommFinalize
  NcclStatus (*destroy)(NcclHandle of) = nullptr;                   // ncclCommDestroy
  NcclStatus (*abort)(NcclHandle of) = nullptr;                     // ncclCommAbort
  const char* (*meaning)(NcclStatus status) = nullptr;              // ncclGetErrorString
  const char* (*last_error)(NcclHandle of) = nullptr;               // ncclGetLastError
};

}  // namespace lockstep::comm
