#include <algorithm>
#include <utility>

#include "lockstep/comm/transport.h"
#include "src/comm/flight_registry.h"
#include "src/comm/message_communicator.h"
#include "src/comm/thread_messages.h"

namespace lockstep::comm {
namespace {

using Clock = std::chrono::steady_clock;
using Kind = Disturbance::Kind;

class Threads final : public MessageCommunicator {
 public:
  Threads(int rank, std::shared_ptr<ThreadTeam> team, std::vector<Disturbance> disturbances,
          const Group& group = {})
      : MessageCommunicator(Membership{.rank = rank,
                                       .size = team->size(),
                                       .transport = "threads",
                                       .local_rank = rank,
                                       .local_size = team->size(),
                                       .group = group}),
        team_(std::move(team)),
        disturbances_(std::move(disturbances)) {
    join_team(flight_record(), team_.get());
  }

 private:
  std::unique_ptr<Messages> open(const Channel& channel) override {
    if (channel.is_point_to_point) return std::make_unique<ThreadMessages>(team_, rank(), channel);
    *latest_ = channel.sequence;
    return std::make_unique<ThreadMessages>(team_, rank(), channel, detention_of(channel.sequence));
  }
  std::unique_ptr<Communicator> subset(std::span<const int> ranks, int index,
                                       const Group& group) override {
    if (ranks.empty()) return nullptr;
    return std::make_unique<Threads>(index, team_->part(group.id, static_cast<int>(ranks.size())),
                                     std::vector<Disturbance>{}, group);
  }

  std::optional<Agreement::Notice> unanswered() override {
    return team_->unanswered(rank(), *latest_);
  }
  void abort(const CommError& why) noexcept override { team_->fail(rank(), why); }

  std::optional<Detention> detention_of(std::uint64_t sequence) const {
    const auto found = std::find_if(
        disturbances_.begin(), disturbances_.end(),
        [&](const Disturbance& each) { return each.rank == rank() && each.sequence == sequence; });
    if (found == disturbances_.end()) return std::nullopt;
    Detention detention;
    detention.for_ever = found->kind == Kind::drop;
    if (found->kind == Kind::delay) detention.until = Clock::now() + found->delay;
    if (found->kind == Kind::reorder) {
      detention.latest = latest_;
      detention.after = sequence + 1;
    }
    return detention;
  }

  std::shared_ptr<ThreadTeam> team_;
  std::vector<Disturbance> disturbances_;
  std::shared_ptr<std::uint64_t> latest_ = std::make_shared<std::uint64_t>(0);
};

}  // namespace

std::vector<std::unique_ptr<Communicator>> threads(int size,
                                                   const std::vector<Disturbance>& disturbances) {
  check<UsageError>(size >= 1, [&] {
    return Complaint{"threads: " + std::to_string(size) + " ranks", "give 1 rank or more"};
  });
  const auto team = std::make_shared<ThreadTeam>(size);
  std::vector<std::unique_ptr<Communicator>> ranks;
  for (int rank = 0; rank < size; ++rank) {
    ranks.push_back(std::make_unique<Threads>(rank, team, disturbances));
  }
  return ranks;
}

}  // namespace lockstep::comm
