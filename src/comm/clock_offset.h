// How far the clocks of different machines are apart.
#pragma once

#include <cstdint>
#include <functional>

#include "lockstep/comm/communicator.h"
#include "lockstep/obs/trace.h"

namespace lockstep::comm {

// A number that processes share whose steady clocks are one and the same: those of one booted
// system, in one time namespace.
std::uint64_t clock_of_this_machine();

struct Clock {
  std::function<std::int64_t()> now = obs::trace_now;  // nanoseconds
  std::uint64_t identity = clock_of_this_machine();
};

struct ClockOffset {
  std::int64_t nanoseconds = 0;  // this rank's clock less rank 0's
  std::int64_t error = 0;        // at most so far from the truth

  friend bool operator==(const ClockOffset&, const ClockOffset&) = default;
};

// Of this rank; all ranks call it. Where clocks differ, the quickest of 20 messages to and fro
// gives the offset: the answer was written, within half of that time, in its middle.
ClockOffset offset_from_rank_0(Communicator& ranks, const Clock& clock);

}  // namespace lockstep::comm
