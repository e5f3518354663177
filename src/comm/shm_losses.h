// Whether the processes of a host's ranks still live, looked up now and then by a rank that waits.
#pragma once

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "src/comm/shm_team.h"

namespace lockstep::comm {

class ShmLosses {
 public:
  // Rank i of the team is called ranks[i] in messages.
  ShmLosses(std::shared_ptr<ShmTeam> team, std::vector<int> ranks)
      : team_(std::move(team)), ranks_(std::move(ranks)) {}

  // Fails the calls of all where a process has ended without leaving. Looks at most every 20 ms;
  // true where it did.
  bool look();

 private:
  std::shared_ptr<ShmTeam> team_;
  std::vector<int> ranks_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace lockstep::comm
