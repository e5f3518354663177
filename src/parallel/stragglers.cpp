#include "src/parallel/stragglers.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "lockstep/base/error.h"
#include "lockstep/core/stream.h"
#include "lockstep/obs/log.h"
#include "src/obs/identity.h"

namespace lockstep::parallel {
namespace {

constexpr std::size_t name_bytes = 64;

std::vector<std::string> hosts_of(comm::Communicator& communicator) {
  std::string own = obs::identity().host;
  own.resize(name_bytes);
  std::string all(name_bytes * static_cast<std::size_t>(communicator.size()), '\0');
  communicator
      .all_gather(
          core::ConstBuffer(own.data(), static_cast<std::int64_t>(own.size()), DType::u8),
          core::Buffer{all.data(), static_cast<std::int64_t>(all.size()), DType::u8, {}, {}},
          core::current_stream({}))
      .wait();
  std::vector<std::string> hosts;
  for (std::size_t first = 0; first < all.size(); first += name_bytes) {
    const std::string name = all.substr(first, name_bytes);
    hosts.push_back(name.substr(0, name.find('\0')));
  }
  return hosts;
}

}  // namespace

Stragglers::Stragglers(comm::Communicator& communicator, const core::ShardRange& shards,
                       const DataParallelOptions& options)
    : rank_(communicator.rank()),
      shards_(shards),
      watch_({options.straggler_share, options.straggler_steps}) {
  check<UsageError>(options.straggler_share >= 0 && options.straggler_steps >= 0, [&] {
    return Complaint{
        fmt::format("DataParallel: straggler_share is {}, straggler_steps is {}",
                    options.straggler_share, options.straggler_steps),
        "give a share of a step's time, and a number of steps, or 0 steps to look for none"};
  });
  hosts_ = hosts_of(communicator);
}

void Stragglers::meet(std::vector<RankTimes> ranks) {
  ranks_ = std::move(ranks);
  const double explained = waits_for_slowest(ranks_)[static_cast<std::size_t>(rank_)];
  timer_.meet(StepTimer::Clock::now(), explained);
}

void Stragglers::end_step(StepReport& report) {
  timer_.end_step(StepTimer::Clock::now());
  report.slowest_rank = slowest_rank(ranks_);
  report.rank_waits = waits_for_slowest(ranks_);
  const auto found = watch_.add_step(ranks_);
  if (!found || rank_ != 0) return;
  obs::warning(description(*found, hosts_[static_cast<std::size_t>(found->rank)], shards_,
                           static_cast<int>(ranks_.size())));
}

}  // namespace lockstep::parallel
