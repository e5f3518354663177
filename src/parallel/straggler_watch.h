// Notices the rank that has been the slowest for a while.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lockstep/core/shard.h"
#include "src/parallel/step_timer.h"

namespace lockstep::parallel {

enum class Phase : std::uint8_t { between, compute, communication };

// A rank that has been the slowest for a while.
struct Straggler {
  int rank = 0;
  Phase phase = Phase::compute;
  double lag = 0;    // seconds a step after the median of the other ranks
  double share = 0;  // of the slowest rank's time
  int steps = 0;

  friend bool operator==(const Straggler&, const Straggler&) = default;
};

// The rank with the largest time, and how far that is beyond the median of the others.
struct Lag {
  std::size_t rank = 0;
  double seconds = 0;
};

struct StragglerOptions {
  double share = 0.2;
  int steps = 100;  // 0: never
};

// Looks at windows of so many steps. A rank is named that was more than `share` of its time behind
// the median of the others, in three quarters of a window's steps and over the whole window (there
// by 0.1 ms a step at least); again after ten windows, or where its phase changes.
class StragglerWatch {
 public:
  explicit StragglerWatch(StragglerOptions options) : options_(options) {}

  std::optional<Straggler> add_step(std::span<const RankTimes> ranks);

 private:
  bool is_large(const Lag& lag, std::span<const RankTimes> ranks) const;
  std::optional<Straggler> judge() const;
  bool is_news(const std::optional<Straggler>& found);

  StragglerOptions options_;
  int steps_ = 0;
  std::vector<RankTimes> sums_;
  std::vector<int> late_steps_;  // steps in which a rank came last by far
  std::vector<int> held_steps_;  // steps in which its communication took the longest by far
  std::optional<Straggler> named_;
  int windows_since_named_ = 0;
};

// What people read: "the others wait for rank 3 of 4 (host gpu1): ...".
std::string description(const Straggler& straggler, const std::string& host,
                        const core::ShardRange& shards, int ranks);

}  // namespace lockstep::parallel
