#include "src/parallel/tail_choice.h"

#include <algorithm>

namespace lockstep::parallel {
namespace {

constexpr std::size_t warm_up = 2;  // steps of either kind that do not count

double median(std::span<const double> times) {
  std::vector<double> sorted(times.begin(), times.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted[sorted.size() / 2];
}

}  // namespace

TailChoice::TailChoice(Tail asked, bool is_alone)
    : decided_(asked == Tail::automatic && is_alone ? Tail::plain : asked) {}

bool TailChoice::is_fused() const {
  if (steps_ == 0) return false;
  if (is_decided()) return decided_ == Tail::fused;
  return steps_ > trial_steps;
}

bool TailChoice::record(double seconds) {
  ++steps_;
  if (is_decided() || steps_ == 1) return false;
  times_.push_back(seconds);
  return times_.size() == 2 * static_cast<std::size_t>(trial_steps);
}

void TailChoice::decide() {
  const std::span<const double> all(times_);
  const auto half = static_cast<std::size_t>(trial_steps);
  const double plain = median(all.subspan(warm_up, half - warm_up));
  const double fused = median(all.subspan(half + warm_up, half - warm_up));
  decided_ = fused < plain ? Tail::fused : Tail::plain;
}

}  // namespace lockstep::parallel
