// The parts of a merged trace: what each rank gives, and how rank 0 puts it together.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "lockstep/comm/communicator.h"
#include "lockstep/obs/trace.h"
#include "src/comm/clock_offset.h"

namespace lockstep::comm {

struct RankTrace {
  std::string host;
  std::vector<obs::TraceEvent> events;
  Clock clock;
};

// What write_merged_trace does with the events of this process. Rank 0 takes the others' text in
// pieces of a mebibyte, so that it holds no more than its own events.
void merge_traces(const std::filesystem::path& file, Communicator& ranks, const RankTrace& own);

// How many of its newest events a rank gives.
std::size_t events_of_each(int ranks);

}  // namespace lockstep::comm
