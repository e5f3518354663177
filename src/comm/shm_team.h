// All that a rank of a shared-memory communicator has in common with the others.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "src/comm/shm_arena.h"
#include "src/comm/shm_board.h"
#include "src/comm/shm_mailbox.h"
#include "src/comm/shm_meeting.h"
#include "src/comm/shm_window.h"
#include "src/comm/store_trials.h"

namespace lockstep::comm {

struct ShmTeam {
  // Collective over the meeting's ranks.
  static std::shared_ptr<ShmTeam> joined(std::unique_ptr<ShmMeeting> meeting,
                                         std::chrono::milliseconds limit);

  ShmTeam(std::unique_ptr<ShmMeeting> meeting, std::shared_ptr<ShmBoard> board);

  std::unique_ptr<ShmMeeting> meeting;
  std::shared_ptr<ShmBoard> board;
  std::shared_ptr<ShmArena> arena;
  std::shared_ptr<ShmMailbox> mailbox;
  ShmWindows windows;

  StoreTrials stores;
  std::uint64_t started = 0;  // calls of this rank
  std::uint64_t handled = 0;  // those whose data this rank is through with; calls take turns
  std::uint64_t rounds = 0;   // that have gone through the windows, or will for the calls so far
};

}  // namespace lockstep::comm
