#include "lockstep/comm/flight_record.h"

#include <algorithm>

#include "lockstep/obs/trace.h"
#include "src/comm/signature.h"

namespace lockstep::comm {
namespace {

std::int64_t nanoseconds(FlightEntry::Clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

void trace(const FlightEntry& entry, std::uint64_t group) {
  const auto bytes = static_cast<std::int64_t>(size_of(entry.dtype)) * entry.count;
  obs::record({.category = "comm",
               .name = name_of(entry.op).data(),  // a literal
               .begin = nanoseconds(entry.started),
               .end = nanoseconds(entry.finished),
               .bytes = entry.op == Op::barrier ? -1 : bytes,
               .number = static_cast<std::int64_t>(entry.sequence),
               .group = group});
}

}  // namespace

std::uint64_t FlightRecord::start(const Call& call) {
  const std::lock_guard lock(mutex_);
  if (!is_point_to_point(call.op)) last_collective_ = call.sequence;
  const FlightEntry entry{.number = ++started_,
                          .sequence = call.sequence,
                          .op = call.op,
                          .reduce = call.reduce,
                          .dtype = call.out.dtype,
                          .count = call.count(),
                          .agreed = agreed_count(call),
                          .is_v = !call.counts.empty(),
                          .root = call.root,
                          .site = call.site,
                          .started = FlightEntry::Clock::now(),
                          .finished = {},
                          .is_finished = false};
  if (ring_.size() < capacity_) {
    ring_.push_back(entry);
  } else {
    ring_[(started_ - 1) % capacity_] = entry;
  }
  return started_;
}

void FlightRecord::finish(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  FlightEntry& entry = ring_[(number - 1) % capacity_];
  if (entry.number != number) return;  // so long ago that its place has been taken
  entry.finished = FlightEntry::Clock::now();
  entry.is_finished = true;
  trace(entry, group_);
}

std::vector<FlightEntry> FlightRecord::entries() const {
  std::vector<FlightEntry> all;
  {
    const std::lock_guard lock(mutex_);
    all = ring_;
  }
  std::sort(all.begin(), all.end(),
            [](const FlightEntry& a, const FlightEntry& b) { return a.number < b.number; });
  return all;
}

std::optional<FlightEntry> FlightRecord::latest() const {
  const std::lock_guard lock(mutex_);
  if (ring_.empty()) return std::nullopt;
  return ring_[(started_ - 1) % capacity_];
}

std::uint64_t FlightRecord::last_collective() const {
  const std::lock_guard lock(mutex_);
  return last_collective_;
}

}  // namespace lockstep::comm
