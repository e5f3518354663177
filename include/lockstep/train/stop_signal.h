// A signal that asks a run to save and end, on which all ranks agree.
#pragma once

#include <csignal>
#include <memory>

#include "lockstep/comm/communicator.h"

namespace lockstep::train {

// The exit code of a run that was asked to stop and has saved: start it again to go on.
inline constexpr int stopped_exit_code = 75;

// While one lives, `signal` (SIGUSR1, which mpirun forwards to all ranks) is noted instead of
// ending the process. All ranks make the same calls.
class StopSignal {
 public:
  // UsageError for a signal that cannot be caught.
  explicit StopSignal(comm::Communicator& ranks, int signal = SIGUSR1);
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;
  // Gives the signal back to who had it.
  ~StopSignal();

  // To be asked after every step. True on all ranks at the same call as soon as one of them has had
  // the signal, at the latest at the second call after it: the ranks agree while the next step
  // runs, so that nobody waits.
  bool is_requested();

 private:
  struct Agreement;
  std::unique_ptr<Agreement> agreement_;
};

}  // namespace lockstep::train
