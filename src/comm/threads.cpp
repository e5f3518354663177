#include <algorithm>
#include <utility>

#include "lockstep/comm/transport.h"
#include "src/comm/message_communicator.h"
#include "src/comm/thread_team.h"

namespace lockstep::comm {
namespace {

using Clock = std::chrono::steady_clock;
using Kind = Disturbance::Kind;

// Holds the messages of a disturbed call back.
struct Detention {
  bool for_ever = false;
  Clock::time_point until;                      // delay
  std::shared_ptr<const std::uint64_t> latest;  // reorder: the number of the rank's latest call
  std::uint64_t after = 0;                      // that must be reached

  bool is_over() const {
    if (for_ever) return false;
    return Clock::now() >= until && (!latest || *latest >= after);
  }
};

class ThreadMessages final : public Messages {
 public:
  ThreadMessages(std::shared_ptr<ThreadTeam> team, int rank, std::uint64_t sequence,
                 std::optional<Detention> detention)
      : team_(std::move(team)),
        rank_(rank),
        sequence_(sequence),
        detention_(std::move(detention)) {}

  void send(int peer, std::uint64_t index, const void* data, std::size_t bytes,
            Token token) override {
    auto is_taken = std::make_shared<std::atomic<bool>>(false);
    sent_.push_back({is_taken, token});
    Offer offer{sequence_, index, data, bytes, std::move(is_taken)};
    if (detention_) {
      detained_.emplace_back(peer, std::move(offer));
    } else {
      team_->offer(rank_, peer, std::move(offer));
    }
  }

  void receive(int peer, std::uint64_t index, void* data, std::size_t bytes, Token token) override {
    awaited_.push_back({peer, index, data, bytes, token});
  }

  void poll(std::vector<Token>& finished) override {
    team_->refuse_if_failed();
    if (detention_ && detention_->is_over()) release();
    std::erase_if(awaited_, [&](const Awaited& each) {
      if (!team_->take(each.peer, rank_, sequence_, each.index, each.data, each.bytes))
        return false;
      finished.push_back(each.token);
      return true;
    });
    // A dropped message is lost on its way: its sender does not notice.
    const bool are_lost = detention_ && detention_->for_ever;
    std::erase_if(sent_, [&](const Sent& each) {
      if (!are_lost && !each.is_taken->load(std::memory_order_acquire)) return false;
      finished.push_back(each.token);
      return true;
    });
  }

 private:
  struct Sent {
    std::shared_ptr<std::atomic<bool>> is_taken;
    Token token;
  };
  struct Awaited {
    int peer;
    std::uint64_t index;
    void* data;
    std::size_t bytes;
    Token token;
  };

  void release() {
    for (auto& [peer, offer] : detained_) team_->offer(rank_, peer, std::move(offer));
    detained_.clear();
    detention_.reset();
  }

  std::shared_ptr<ThreadTeam> team_;
  int rank_;
  std::uint64_t sequence_;
  std::optional<Detention> detention_;
  std::vector<Sent> sent_;
  std::vector<Awaited> awaited_;
  std::vector<std::pair<int, Offer>> detained_;
};

class Threads final : public MessageCommunicator {
 public:
  Threads(int rank, std::shared_ptr<ThreadTeam> team, std::vector<Disturbance> disturbances)
      : MessageCommunicator(Membership{.rank = rank,
                                       .size = team->size(),
                                       .transport = "threads",
                                       .local_rank = rank,
                                       .local_size = team->size()}),
        team_(std::move(team)),
        disturbances_(std::move(disturbances)) {}

 private:
  std::unique_ptr<Messages> open(std::uint64_t sequence) override {
    *latest_ = sequence;
    return std::make_unique<ThreadMessages>(team_, rank(), sequence, detention_of(sequence));
  }

  void abort(const CommError& why) noexcept override { team_->fail(rank(), why.problem()); }

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
