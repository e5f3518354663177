#include "src/comm/shm_losses.h"

#include "lockstep/base/error.h"

namespace lockstep::comm {

bool ShmLosses::look() {
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < std::chrono::milliseconds(20)) return false;
  last_ = now;
  for (const int gone : team_->meeting->gone_ranks()) {
    if (team_->board->has_left(gone)) continue;
    team_->board->fail(ranks_[static_cast<std::size_t>(gone)],
                       CommError({"its process has ended without leaving: it crashed or was killed",
                                  "look at that rank's messages and the system's log"}));
  }
  return true;
}

}  // namespace lockstep::comm
