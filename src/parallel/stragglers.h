// What the engine tells about its ranks' times: who came last in each step, and a warning where
// that lasts.
#pragma once

#include <string>
#include <vector>

#include "lockstep/comm/communicator.h"
#include "lockstep/core/shard.h"
#include "lockstep/parallel/data_parallel.h"
#include "src/parallel/step_timer.h"
#include "src/parallel/straggler_watch.h"

namespace lockstep::parallel {

// Called by the engine at the points that the names say; the times themselves travel with the
// step's sums.
class Stragglers {
 public:
  // Tells all ranks the hosts of all ranks; all ranks call it.
  Stragglers(comm::Communicator& communicator, const core::ShardRange& shards,
             const DataParallelOptions& options);

  void begin_step() { timer_.begin_step(StepTimer::Clock::now()); }
  void add_wait(StepTimer::Clock::duration wait) { timer_.add_wait(wait); }
  RankTimes arrive() const { return timer_.arrive(StepTimer::Clock::now()); }
  // `ranks` are the times that all ranks arrived with.
  void meet(std::vector<RankTimes> ranks);
  // Fills in the report; rank 0 warns where a rank has been the slowest for a while.
  void end_step(StepReport& report);

 private:
  int rank_;
  core::ShardRange shards_;
  std::vector<std::string> hosts_;  // by rank
  StepTimer timer_;
  StragglerWatch watch_;
  std::vector<RankTimes> ranks_;  // of the step under way
};

}  // namespace lockstep::parallel
