#include "lockstep/comm/flight_record.h"

#include <algorithm>

namespace lockstep::comm {

void FlightRecord::start(const Call& call) {
  const FlightEntry entry{.sequence = call.sequence,
                          .op = call.op,
                          .reduce = call.reduce,
                          .dtype = call.out.dtype,
                          .count = call.out.count,
                          .root = call.root,
                          .site = call.site,
                          .started = FlightEntry::Clock::now(),
                          .finished = {},
                          .is_finished = false};
  if (ring_.size() < capacity_) {
    ring_.push_back(entry);
  } else {
    ring_[(call.sequence - 1) % capacity_] = entry;
  }
}

void FlightRecord::finish(std::uint64_t sequence) {
  FlightEntry& entry = ring_[(sequence - 1) % capacity_];
  if (entry.sequence != sequence) return;  // so long ago that its place has been taken
  entry.finished = FlightEntry::Clock::now();
  entry.is_finished = true;
}

std::vector<FlightEntry> FlightRecord::entries() const {
  std::vector<FlightEntry> all = ring_;
  std::sort(all.begin(), all.end(),
            [](const FlightEntry& a, const FlightEntry& b) { return a.sequence < b.sequence; });
  return all;
}

}  // namespace lockstep::comm
