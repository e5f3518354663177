#include "src/comm/shm_team.h"

#include <utility>

namespace lockstep::comm {

std::shared_ptr<ShmTeam> ShmTeam::joined(std::unique_ptr<ShmMeeting> meeting,
                                         std::chrono::milliseconds limit) {
  auto board = ShmBoard::joined(*meeting, limit);
  return std::make_shared<ShmTeam>(std::move(meeting), std::move(board));
}

ShmTeam::ShmTeam(std::unique_ptr<ShmMeeting> met, std::shared_ptr<ShmBoard> joined)
    : meeting(std::move(met)),
      board(std::move(joined)),
      arena(std::make_shared<ShmArena>(board)),
      mailbox(std::make_shared<ShmMailbox>(board)),
      windows(board->windows(), board->size()) {}

}  // namespace lockstep::comm
