#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <optional>
#include <thread>
#include <utility>

#include "lockstep/base/timeout.h"
#include "lockstep/comm/transport.h"
#include "src/comm/message_communicator.h"
#include "src/comm/shm_call.h"
#include "src/comm/shm_losses.h"
#include "src/comm/shm_messages.h"
#include "src/comm/shm_team.h"

namespace lockstep::comm {
namespace {

using Clock = std::chrono::steady_clock;

// Why a rank has left another error may tell better, which the same mistake raises elsewhere.
constexpr auto patience_with_leavers = std::chrono::milliseconds(1000);

// Pauses that give the core away before a rank sleeps. Where ranks outnumber cores, whoever runs
// takes time from a peer that has something to do.
int yields_for(int ranks) {
  const auto cores = static_cast<int>(std::thread::hardware_concurrency());
  return ranks > cores ? 2 : 5000;
}

Membership membership_for(int rank, int size, const Group& group) {
  return {.rank = rank,
          .size = size,
          .transport = "shm",
          .local_rank = rank,
          .local_size = size,
          .group = group};
}

std::vector<int> numbers_below(int count) {
  std::vector<int> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

class Shm final : public MessageCommunicator {
 public:
  Shm(std::shared_ptr<ShmTeam> team, const Group& group)
      : MessageCommunicator(membership_for(team->board->rank(), team->board->size(), group)),
        team_(std::move(team)),
        losses_(team_, numbers_below(size())),
        yields_(yields_for(size())) {}
  ~Shm() override { team_->board->leave(); }

  core::Memory allocate(std::size_t bytes) override {
    return team_->arena->allocate(*team_->meeting, bytes, timeout());
  }

 private:
  std::unique_ptr<Work::State> start_one(const Call& call) override {
    team_->arena->sweep();
    if (is_point_to_point(call.op)) return MessageCommunicator::start_one(call);
    return std::make_unique<ShmCall>(
        call, ShmCallContext{.team = team_,
                             .member = membership(),
                             .forest = is_reduction(call.op) ? forest_of(call.shards) : nullptr,
                             .over_messages = [this](const Call& same) {
                               return MessageCommunicator::start_one(same);
                             }});
  }
  std::unique_ptr<Messages> open(const Channel& channel) override {
    return std::make_unique<ShmMessages>(team_->mailbox, channel);
  }
  std::unique_ptr<Communicator> subset(std::span<const int> ranks, int index,
                                       const Group& group) override {
    auto meeting = team_->meeting->part(ranks, index, group, *this);
    if (!meeting) return nullptr;
    return std::make_unique<Shm>(ShmTeam::joined(std::move(meeting), timeout()), group);
  }
  bool compares_signatures() const override { return true; }
  std::optional<Agreement::Notice> unanswered() override {
    const std::uint64_t next = team_->started + 1;
    for (int peer = 0; peer < size(); ++peer) {
      if (team_->board->posted(peer) < next) continue;
      return Agreement::Notice{
          .own = team_->board->slot(peer, next).signature, .other = {}, .rank = peer};
    }
    return std::nullopt;
  }
  void abort(const CommError& why) noexcept override { team_->board->fail(rank(), why); }

  void rest() override {
    team_->board->rest(yields_);
    if (losses_.look()) look_for_leavers();
  }

  // A rank that has left fails those who still wait for a call of it.
  void look_for_leavers() {
    const auto peer = missed_leaver();
    if (!peer) missed_since_ = Clock::now();
    if (!peer || Clock::now() - missed_since_ < patience_with_leavers) return;
    ShmBoard& board = *team_->board;
    board.fail(*peer,
               CommError({fmt::format("it has ended its communicator after {} collectives; the "
                                      "others call more",
                                      board.posted(*peer)),
                          "make the same calls on every rank"}));
  }

  // A rank that has left without the call that this one waits in.
  std::optional<int> missed_leaver() const {
    const ShmBoard& board = *team_->board;
    if (team_->started == team_->handled) return std::nullopt;
    for (int peer = 0; peer < size(); ++peer)
      if (board.has_left(peer) && board.posted(peer) <= team_->handled) return peer;
    return std::nullopt;
  }

  std::shared_ptr<ShmTeam> team_;
  ShmLosses losses_;
  int yields_;
  Clock::time_point missed_since_ = Clock::now();
};

}  // namespace

std::unique_ptr<Communicator> shm(Communicator& bootstrap) {
  check<UsageError>(bootstrap.local_size() == bootstrap.size(), [&] {
    return Complaint{fmt::format("shm: only {} of {} ranks are on this host",
                                 bootstrap.local_size(), bootstrap.size()),
                     "split the communicator by hosts first, or use World, which joins hosts"};
  });
  auto meeting = meet_over_sockets(bootstrap, numbers_below(bootstrap.size()), bootstrap.rank());
  return std::make_unique<Shm>(ShmTeam::joined(std::move(meeting), timeout_setting()), Group{});
}

std::vector<std::unique_ptr<Communicator>> shm_threads(int size) {
  check<UsageError>(size >= 1, [&] {
    return Complaint{fmt::format("shm_threads: {} ranks", size), "give 1 rank or more"};
  });
  auto meetings = meet_as_threads(size);
  std::vector<std::unique_ptr<Communicator>> ranks(static_cast<std::size_t>(size));
  std::vector<std::jthread> threads;  // they must meet
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    threads.emplace_back([&, rank] {
      ranks[rank] = std::make_unique<Shm>(
          ShmTeam::joined(std::move(meetings[rank]), timeout_setting()), Group{});
    });
  }
  threads.clear();
  return ranks;
}

}  // namespace lockstep::comm
