#include "src/parallel/straggler_watch.h"

#include <fmt/format.h>

#include <algorithm>

namespace lockstep::parallel {
namespace {

constexpr double least_lag = 1e-4;  // seconds a step; less is noise
constexpr int windows_between_warnings = 10;

using Measure = double (*)(const RankTimes&);

double between_of(const RankTimes& times) { return times.between; }
double compute_of(const RankTimes& times) { return times.compute; }
double communication_of(const RankTimes& times) { return times.communication; }
double busy_of(const RankTimes& times) { return times.busy(); }

double lag_of(std::span<const RankTimes> ranks, std::size_t rank, Measure measure) {
  std::vector<double> others;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    if (i != rank) others.push_back(measure(ranks[i]));
  }
  const auto middle = others.begin() + static_cast<std::ptrdiff_t>(others.size() / 2);
  std::nth_element(others.begin(), middle, others.end());
  return measure(ranks[rank]) - *middle;
}

Lag largest_lag(std::span<const RankTimes> ranks, Measure measure) {
  std::size_t rank = 0;
  for (std::size_t i = 1; i < ranks.size(); ++i) {
    if (measure(ranks[i]) > measure(ranks[rank])) rank = i;
  }
  return {rank, lag_of(ranks, rank, measure)};
}

}  // namespace

std::optional<Straggler> StragglerWatch::add_step(std::span<const RankTimes> ranks) {
  if (options_.steps == 0 || ranks.size() < 2) return std::nullopt;
  if (steps_ == 0) {
    sums_.assign(ranks.size(), {});
    late_steps_.assign(ranks.size(), 0);
    held_steps_.assign(ranks.size(), 0);
  }
  for (std::size_t i = 0; i < ranks.size(); ++i) sums_[i] += ranks[i];
  const Lag late = largest_lag(ranks, busy_of);
  if (is_large(late, ranks)) ++late_steps_[late.rank];
  const Lag held = largest_lag(ranks, communication_of);
  if (is_large(held, ranks)) ++held_steps_[held.rank];
  if (++steps_ < options_.steps) return std::nullopt;
  const std::optional<Straggler> found = judge();
  steps_ = 0;
  return is_news(found) ? found : std::nullopt;
}

bool StragglerWatch::is_large(const Lag& lag, std::span<const RankTimes> ranks) const {
  const RankTimes& times = ranks[lag.rank];
  return lag.seconds > options_.share * (times.busy() + times.communication);
}

std::optional<Straggler> StragglerWatch::judge() const {
  const auto lasts = [&](const Lag& lag, const std::vector<int>& steps) {
    return 4 * steps[lag.rank] >= 3 * steps_ && lag.seconds > least_lag * steps_ &&
           is_large(lag, sums_);
  };
  const auto straggler = [&](const Lag& lag, Phase phase) {
    const RankTimes& times = sums_[lag.rank];
    return Straggler{static_cast<int>(lag.rank), phase, lag.seconds / steps_,
                     lag.seconds / (times.busy() + times.communication), steps_};
  };
  const Lag late = largest_lag(sums_, busy_of);
  if (lasts(late, late_steps_)) {
    const bool is_loading =
        lag_of(sums_, late.rank, between_of) > lag_of(sums_, late.rank, compute_of);
    return straggler(late, is_loading ? Phase::between : Phase::compute);
  }
  const Lag held = largest_lag(sums_, communication_of);
  if (lasts(held, held_steps_)) return straggler(held, Phase::communication);
  return std::nullopt;
}

bool StragglerWatch::is_news(const std::optional<Straggler>& found) {
  ++windows_since_named_;
  if (!found) {
    named_.reset();
    return false;
  }
  const bool is_known = named_ && named_->rank == found->rank && named_->phase == found->phase &&
                        windows_since_named_ < windows_between_warnings;
  if (is_known) return false;
  named_ = found;
  windows_since_named_ = 0;
  return true;
}

std::string description(const Straggler& straggler, const std::string& host,
                        const core::ShardRange& shards, int ranks) {
  const int own = core::shards_of(straggler.rank, ranks, shards.total).count();
  std::string phase;
  std::string advice;
  switch (straggler.phase) {
    case Phase::between:
      phase = "between steps (data loading)";
      advice = "see what it reads its data from, or raise the loader's .prefetch";
      break;
    case Phase::compute:
      phase = "in compute";
      advice = own * ranks > shards.total
                   ? fmt::format("it owns {} of {} shards: take a multiple of {} shards", own,
                                 shards.total, ranks)
                   : "look for other work on its cores, or a processor that is throttled";
      break;
    case Phase::communication:
      phase = "in communication";
      advice = "look at the network link of its host";
      break;
  }
  return fmt::format(
      "the others wait for rank {} of {}{}: over the last {} steps it was {:.1f} ms a step ({:.0f} "
      "%) behind the median, {}; {}",
      straggler.rank, ranks, host.empty() ? "" : fmt::format(" (host {})", host), straggler.steps,
      straggler.lag * 1e3, straggler.share * 100, phase, advice);
}

}  // namespace lockstep::parallel
