#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "lockstep/base/timeout.h"
#include "lockstep/comm/transport.h"
#include "src/comm/hierarchical_reduction.h"
#include "src/comm/job.h"
#include "src/comm/message_communicator.h"
#include "src/comm/routed_messages.h"
#include "src/comm/shm_losses.h"
#include "src/comm/shm_messages.h"
#include "src/comm/shm_team.h"

namespace lockstep::comm {
namespace {

// Ranks that give the same number share a host.
Hosts hosts_by_number(MpiCommunicator& ranks, int own) {
  std::vector<int> numbers(static_cast<std::size_t>(ranks.size()));
  core::Stream stream;
  ranks
      .all_gather(core::ConstBuffer(&own, 1, DType::i32, {}),
                  core::Buffer{numbers.data(), ranks.size(), DType::i32, {}, {}}, stream)
      .wait();
  std::vector<int> first;
  first.reserve(numbers.size());
  for (const int number : numbers)
    first.push_back(static_cast<int>(std::ranges::find(numbers, number) - numbers.begin()));
  return Hosts(first);
}

// Every rank learns whether all hosts have shared memory.
void agree_on(std::string trouble, MpiCommunicator& ranks) {
  std::int32_t works = trouble.empty() ? 1 : 0;
  const core::Buffer buffer{&works, 1, DType::i32, {}, {}};
  core::Stream stream;
  ranks.all_reduce(buffer, buffer, Reduce::min, stream).wait();
  if (works == 1) return;
  if (trouble.empty()) trouble = "another host has no shared memory to give";
  throw DeviceError({trouble,
                     "use fewer ranks on a host or free memory on it; LOCKSTEP_TRANSPORT=mpi does "
                     "without shared memory"});
}

std::shared_ptr<ShmTeam> team_of_host(MpiCommunicator& ranks, const Hosts& hosts) {
  const std::vector<int>& own = hosts.on(hosts.of(ranks.rank()));
  auto meeting = meet_over_sockets(ranks, own, hosts.place_of(ranks.rank()));
  std::shared_ptr<ShmTeam> team;
  std::string trouble;
  try {
    team = ShmTeam::joined(std::move(meeting), timeout_setting());
  } catch (const DeviceError& error) {
    trouble = error.problem();
  }
  agree_on(trouble, ranks);
  return team;
}

Membership membership_for(const MpiCommunicator& ranks, const Group& group) {
  return {.rank = ranks.rank(),
          .size = ranks.size(),
          .transport = "hybrid",
          .local_rank = ranks.local_rank(),
          .local_size = ranks.local_size(),
          .group = group};
}

class Hybrid final : public MessageCommunicator {
 public:
  Hybrid(std::unique_ptr<MpiCommunicator> control, const Group& group, int host)
      : MessageCommunicator(membership_for(*control, group)),
        hosts_(std::make_shared<const Hosts>(hosts_by_number(*control, host))),
        team_(team_of_host(*control, *hosts_)),
        losses_(team_, hosts_->on(hosts_->of(control->rank()))),
        data_(control->duplicate()),
        control_(std::move(control)) {}
  ~Hybrid() override {
    team_->board->leave();
    if (!is_poisoned()) return;
    // What is under way was never finished, so MPI must not wait for it.
    data_->poison("the hybrid communicator failed");
    control_->poison("the hybrid communicator failed");
  }

  // Shared with the ranks of this host.
  core::Memory allocate(std::size_t bytes) override {
    return team_->arena->allocate(*team_->meeting, bytes, timeout());
  }
  void give_up(int exit_code) noexcept override { control_->give_up(exit_code); }

 private:
  std::unique_ptr<Exchange> exchange_for(const Call& call) override {
    team_->arena->sweep();
    if (!is_reduction(call.op)) return MessageCommunicator::exchange_for(call);
    return std::make_unique<HierarchicalReduction>(
        call, host_forest_of(call.shards), hosts_, membership(),
        open({call.sequence, is_point_to_point(call.op)}));
  }
  std::unique_ptr<Messages> open(const Channel& channel) override {
    return std::make_unique<RoutedMessages>(hosts_, rank(),
                                            std::make_unique<ShmMessages>(team_->mailbox, channel),
                                            data_->open(channel));
  }
  std::unique_ptr<Communicator> subset(std::span<const int> ranks, int index,
                                       const Group& group) override {
    auto part = control_->part(ranks, index, group);
    if (!part) return nullptr;
    return std::make_unique<Hybrid>(std::move(part), group, hosts_->of(rank()));
  }
  void rest() override {
    Communicator::rest();
    losses_.look();
  }
  void abort(const CommError& why) noexcept override {
    team_->board->fail(rank(), why);
    data_->abort(why);  // which tells the other hosts
  }
  std::optional<Agreement::Notice> unanswered() override {
    const auto notice = team_->mailbox->unanswered();
    return notice ? notice : data_->unanswered();
  }

  std::shared_ptr<const HostForest> host_forest_of(int shards) {
    auto& forest = host_forests_[shards];
    if (!forest) forest = std::make_shared<const HostForest>(*hosts_, shards);
    return forest;
  }

  std::shared_ptr<const Hosts> hosts_;
  std::shared_ptr<ShmTeam> team_;
  ShmLosses losses_;
  std::unique_ptr<MpiCommunicator> data_;     // for the messages of calls
  std::unique_ptr<MpiCommunicator> control_;  // for making groups
  std::map<int, std::shared_ptr<const HostForest>> host_forests_;
};

}  // namespace

std::unique_ptr<Communicator> hybrid(std::unique_ptr<MpiCommunicator> ranks) {
  const int host = ranks->first_on_host();
  return std::make_unique<Hybrid>(std::move(ranks), Group{}, host);
}

std::unique_ptr<Communicator> hybrid(std::optional<int> communicator, std::optional<int> host) {
  auto ranks = MpiCommunicator::joined(communicator);
  if (!host) return hybrid(std::move(ranks));
  return std::make_unique<Hybrid>(std::move(ranks), Group{}, *host);
}

}  // namespace lockstep::comm
