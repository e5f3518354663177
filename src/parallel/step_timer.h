// Where the ranks' time goes in a step, and who waits for whom.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <vector>

namespace lockstep::parallel {

// Where a rank's time went since all ranks last met, in seconds.
struct RankTimes {
  double between = 0;        // from the end of a step to the next one: data loading above all
  double compute = 0;        // forward, backward and update
  double communication = 0;  // waits of the step before that no late rank explains

  // What the others have to wait for.
  double busy() const { return between + compute; }

  RankTimes& operator+=(const RankTimes& other) {
    between += other.between;
    compute += other.compute;
    communication += other.communication;
    return *this;
  }
};

// Measures the times of this rank. Ranks meet where the step's sums are there: nobody leaves before
// the last has come.
class StepTimer {
 public:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;

  void begin_step(Time now);
  void add_wait(Clock::duration wait) { waited_ += wait; }
  // This rank has computed its share: what it tells the others.
  RankTimes arrive(Time now) const;
  // All have met, and this rank had to wait `explained` seconds for the slowest.
  void meet(Time now, double explained);
  void end_step(Time now) { ended_ = now; }

 private:
  std::optional<Time> met_;
  std::optional<Time> ended_;
  Clock::duration between_{};
  Clock::duration waited_{};          // all waits
  Clock::duration waited_at_meet_{};  // those before the ranks last met
  double communication_ = 0;
};

// The rank that came last.
int slowest_rank(std::span<const RankTimes> ranks);
// By rank: how long it waited for the slowest.
std::vector<double> waits_for_slowest(std::span<const RankTimes> ranks);

}  // namespace lockstep::parallel
