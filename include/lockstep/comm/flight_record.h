// The last calls of one rank's communicator, kept in memory for the account after a failure.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "lockstep/comm/call.h"

namespace lockstep::comm {

// What remains of a call once its buffers are gone.
struct FlightEntry {
  using Clock = std::chrono::steady_clock;

  std::uint64_t number = 0;    // among the calls of this rank
  std::uint64_t sequence = 0;  // the call's own
  Op op = Op::barrier;
  Reduce reduce = Reduce::sum;
  DType dtype = DType::f32;
  std::int64_t count = 0;   // of this rank's larger side
  std::int64_t agreed = 0;  // what every rank gives alike
  bool is_v = false;
  int root = 0;  // or peer
  Site site;
  Clock::time_point started;
  Clock::time_point finished;
  bool is_finished = false;
};

// A ring of the most recent calls, oldest first. Other threads may read it while one writes.
class FlightRecord {
 public:
  static constexpr std::size_t usual_capacity = 1000;

  // `group` is that of the communicator's ranks.
  explicit FlightRecord(std::size_t capacity = usual_capacity, std::uint64_t group = 0)
      : capacity_(capacity), group_(group) {
    ring_.reserve(capacity);  // a call allocates nothing
  }

  // Gives the entry's number: the calls of this rank, counted from 1.
  std::uint64_t start(const Call& call);
  void finish(std::uint64_t number);
  std::vector<FlightEntry> entries() const;
  // The call that was started last.
  std::optional<FlightEntry> latest() const;
  // The sequence of the collective that was started last; 0 before the first.
  std::uint64_t last_collective() const;

 private:
  mutable std::mutex mutex_;  // hardly ever contended: a watchdog looks once a second
  std::size_t capacity_;
  std::uint64_t group_;
  std::uint64_t started_ = 0;
  std::uint64_t last_collective_ = 0;
  std::vector<FlightEntry> ring_;
};

}  // namespace lockstep::comm
