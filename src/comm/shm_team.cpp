#include "src/comm/shm_team.h"

#include <utility>

namespace lockstep::comm {

std::shared_ptr<ShmTeam> ShmTeam::joined(std::unique_ptr<ShmMeeting> meeting,
                                         std::chrono::milliseconds limit) {
  auto team = std::make_shared<ShmTeam>();
  team->board = ShmBoard::joined(*meeting, limit);
  team->arena = std::make_shared<ShmArena>(team->board);
  team->mailbox = std::make_shared<ShmMailbox>(team->board);
  team->meeting = std::move(meeting);
  return team;
}

}  // namespace lockstep::comm
