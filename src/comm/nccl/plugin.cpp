// The plug-in liblockstep_nccl.so: NCCL's calls as a table. It links NCCL and nothing of ours.
#include <nccl.h>

#include <cstring>

#include "lockstep/core/abi.h"
#include "lockstep/core/plugin.h"
#include "src/comm/nccl_table.h"

namespace lockstep::comm {
namespace {

static_assert(nccl_status::success == ncclSuccess && nccl_status::in_progress == ncclInProgress &&
              sizeof(NcclId) == sizeof(ncclUniqueId));

ncclComm_t of(NcclHandle handle) { return static_cast<ncclComm_t>(handle); }

NcclStatus unique_id(NcclId* id) {
  ncclUniqueId made;
  const ncclResult_t status = ncclGetUniqueId(&made);
  std::memcpy(id, &made, sizeof made);
  return status;
}

NcclStatus join(NcclHandle* joined, int ranks, const NcclId& id, int rank) {
  ncclUniqueId shared;
  std::memcpy(&shared, &id, sizeof shared);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  ncclComm_t made = nullptr;
  const ncclResult_t status = ncclCommInitRankConfig(&made, ranks, shared, rank, &config);
  *joined = made;
  return status;
}

NcclStatus state(NcclHandle handle, NcclStatus* now) {
  ncclResult_t found = ncclSuccess;
  const ncclResult_t status = ncclCommGetAsyncError(of(handle), &found);
  *now = found;
  return status;
}

NcclTable table() {
  NcclTable made{
      .unique_id = &unique_id,
      .join = &join,
      .state = &state,
      .finalize = [](NcclHandle h) -> NcclStatus { return ncclCommFinalize(of(h)); },
      .destroy = [](NcclHandle h) -> NcclStatus { return ncclCommDestroy(of(h)); },
      .abort = [](NcclHandle h) -> NcclStatus { return ncclCommAbort(of(h)); },
      .meaning = [](NcclStatus s) { return ncclGetErrorString(static_cast<ncclResult_t>(s)); },
      .last_error = [](NcclHandle h) { return ncclGetLastError(of(h)); },
  };
  if (ncclGetVersion(&made.version) != ncclSuccess) made.version = 0;
  return made;
}

}  // namespace
}  // namespace lockstep::comm

extern "C" __attribute__((visibility("default"))) lockstep::core::PluginAnswer lockstep_plugin(
    const lockstep::core::Host* /*host*/) {
  static lockstep::comm::NcclTable table = lockstep::comm::table();
  // Joining without blocking came with 2.14.
  if (table.version < 21400)
    return {lockstep::core::abi_number, nullptr, "NCCL is older than 2.14"};
  return {lockstep::core::abi_number, &table, "NCCL"};
}
