// Which tail a step takes: the one asked for, or the faster one after a short trial.
#pragma once

#include <span>
#include <vector>

#include "lockstep/parallel/data_parallel.h"

namespace lockstep::parallel {

// The first step is plain: it shows the order in which gradients arrive. A trial then takes
// `trial_steps` plain and as many fused steps.
class TailChoice {
 public:
  static constexpr int trial_steps = 6;

  // A rank that is alone has nothing to try.
  TailChoice(Tail asked, bool is_alone);

  // Of the next step.
  bool is_fused() const;
  bool is_decided() const { return decided_ != Tail::automatic; }
  // The time that the step's exchange and update took. True when the trial is over: then times()
  // must be made those of the slowest rank, and decide() called.
  bool record(double seconds);
  // Of the trial's steps, the plain ones first.
  std::span<double> times() { return times_; }
  // By the medians, the first steps of either kind left out.
  void decide();

 private:
  Tail decided_;
  int steps_ = 0;
  std::vector<double> times_;
};

}  // namespace lockstep::parallel
