// What the ranks of the threads transport share: one box of posted messages per pair of ranks.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lockstep/base/error.h"
#include "src/comm/agreement.h"
#include "src/comm/messages.h"
#include "src/comm/peer_failure.h"

namespace lockstep::comm {

// A message that its sender offers; the receiver copies it straight from the sender's memory.
struct Offer {
  Channel channel;
  std::uint64_t index = 0;
  const void* data = nullptr;
  std::size_t bytes = 0;
  std::shared_ptr<std::atomic<bool>> is_taken;
};

class ThreadTeam {
 public:
  explicit ThreadTeam(int size) : ThreadTeam(size, std::make_shared<Failure>()) {}

  int size() const { return size_; }
  void offer(int from, int to, Offer offer);
  // Copies the offer of that call and index into `data`; false when it has not come yet.
  // CommError when its size differs.
  bool take(int from, int to, const Channel& channel, std::uint64_t index, void* data,
            std::size_t bytes);

  // What a rank says of a collective after `sequence` that `to` has not made.
  std::optional<Agreement::Notice> unanswered(int to, std::uint64_t sequence);

  // The team of `size` of these ranks under that id: the first who asks makes it, all get the same.
  std::shared_ptr<ThreadTeam> part(std::uint64_t id, int size);

  // Withdraws all that `rank` offers and makes every other rank's calls fail, also in the teams
  // that were split off.
  void fail(int rank, const CommError& why) noexcept;
  // Throws CommError once a rank has failed.
  void refuse_if_failed() const;

 private:
  struct Box {
    std::mutex mutex;
    std::deque<Offer> offers;
  };
  // Shared with the teams that were split off: one failure ends all.
  struct Failure {
    std::mutex mutex;
    std::atomic<bool> has_happened = false;
    std::optional<ConsequentError> why;
  };
  struct Part {
    std::shared_ptr<ThreadTeam> team;
    int missing = 0;  // ranks that have not asked for it
  };

  ThreadTeam(int size, std::shared_ptr<Failure> failure)
      : size_(size),
        boxes_(static_cast<std::size_t>(size) * static_cast<std::size_t>(size)),
        failure_(std::move(failure)) {}
  Box& box(int from, int to) { return boxes_[static_cast<std::size_t>(from * size_ + to)]; }

  int size_;
  std::vector<Box> boxes_;
  std::shared_ptr<Failure> failure_;
  std::mutex parts_mutex_;
  std::unordered_map<std::uint64_t, Part> parts_;
};

}  // namespace lockstep::comm
