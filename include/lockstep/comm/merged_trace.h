// One trace of all ranks, on one clock.
#pragma once

#include <filesystem>

#include "lockstep/comm/communicator.h"

namespace lockstep::comm {

// Writes the newest events of all ranks (4 million in all) to `file` on rank 0, in Chrome's trace
// format: a process for each rank, times on rank 0's clock, arrows that join the ranks' calls of
// one collective. Clocks of other machines are compared by messages back and forth. All ranks call
// it; an IoError on all of them where the file cannot be written.
void write_merged_trace(const std::filesystem::path& file, Communicator& ranks);

// What a World does when it goes: where LOCKSTEP_TRACE is set on all ranks, the merged trace, and a
// warning where that cannot be written. All ranks call it.
void finish_trace(Communicator& ranks);

}  // namespace lockstep::comm
