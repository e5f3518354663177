// Times a collective beside plain MPI and beside the limit, on the same sizes in the same minute.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "benchmarks/collective_case.h"
#include "benchmarks/collective_limit.h"
#include "benchmarks/collective_values.h"
#include "benchmarks/harness.h"
#include "benchmarks/plain_mpi.h"

namespace lockstep::bench {

enum class MemoryKind : std::uint8_t {
  arena,  // the communicator's own, see Communicator::allocate
  heap    // the device's allocator
};

struct CollectiveTimingOptions {
  MemoryKind memory = MemoryKind::arena;
  std::size_t max_bytes = 0;  // of the cases to come
  std::int64_t warmup = 5;
  std::int64_t repeats = 0;  // 0: by size, from 20 to 200
};

// Of the slowest rank; times are those of one call.
struct CollectiveTimes {
  Timing ours;
  std::optional<Timing> mpi;
  std::optional<Timing> limit;  // the better of plain and streaming stores
  std::int64_t wrong = 0;       // elements, over all ranks and repeats
};

// Every call works on buffers that have just been written anew, and on other ones than the call
// before. Calls of less than 256 KiB are timed several at once, each on buffers of its own.
class CollectiveTiming {
 public:
  CollectiveTiming(comm::Communicator& ranks, const CollectiveTimingOptions& options);

  // Collective.
  CollectiveTimes measure(const CollectiveCase& on, Placement placement);

 private:
  struct Contender;
  std::vector<Contender> contenders(const CollectiveCase& on, Placement placement);
  void repeat(const CollectiveCase& on, Placement placement, std::int64_t index,
              std::vector<Contender>& all);

  comm::Communicator& ranks_;
  CollectiveTimingOptions options_;
  PlainMpi mpi_;
  std::size_t bytes_;
  core::Memory memory_;
  // Of its own: lines that a peer's core has read through MPI are slow to overwrite.
  core::Memory mpi_memory_;
  std::unique_ptr<PeerMemory> peers_;  // none where ranks are on several hosts, or for heap memory
  std::int64_t wrong_ = 0;
};

// Seconds that comparing the signatures adds to one call: all_reduce of one element with the check
// and, as a call of an agreed plan, without it, in turn.
double signature_check_seconds(comm::Communicator& ranks);

}  // namespace lockstep::bench
