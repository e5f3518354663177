#include "src/parallel/step_timer.h"

#include <algorithm>

namespace lockstep::parallel {
namespace {

double seconds(StepTimer::Clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

void StepTimer::begin_step(Time now) {
  between_ = ended_ ? now - *ended_ : Clock::duration{};
  if (!met_) met_ = now;
}

RankTimes StepTimer::arrive(Time now) const {
  const double busy = seconds(now - *met_ - (waited_ - waited_at_meet_));
  return {seconds(between_), std::max(0.0, busy - seconds(between_)), communication_};
}

void StepTimer::meet(Time now, double explained) {
  communication_ = std::max(0.0, seconds(waited_ - waited_at_meet_) - explained);
  met_ = now;
  waited_at_meet_ = waited_;
}

int slowest_rank(std::span<const RankTimes> ranks) {
  const auto by_busy = [](const RankTimes& a, const RankTimes& b) { return a.busy() < b.busy(); };
  return static_cast<int>(std::max_element(ranks.begin(), ranks.end(), by_busy) - ranks.begin());
}

std::vector<double> waits_for_slowest(std::span<const RankTimes> ranks) {
  const double longest = ranks[static_cast<std::size_t>(slowest_rank(ranks))].busy();
  std::vector<double> waits;
  for (const RankTimes& each : ranks) waits.push_back(longest - each.busy());
  return waits;
}

}  // namespace lockstep::parallel
