// What the ranks of the threads transport share: one box of posted messages per pair of ranks.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace lockstep::comm {

// A message that its sender offers; the receiver copies it straight from the sender's memory.
struct Offer {
  std::uint64_t sequence = 0;
  std::uint64_t index = 0;
  const void* data = nullptr;
  std::size_t bytes = 0;
  std::shared_ptr<std::atomic<bool>> is_taken;
};

class ThreadTeam {
 public:
  explicit ThreadTeam(int size)
      : size_(size), boxes_(static_cast<std::size_t>(size) * static_cast<std::size_t>(size)) {}

  int size() const { return size_; }
  void offer(int from, int to, Offer offer);
  // Copies the offer of that call and index into `data`; false when it has not come yet.
  // CommError when its size differs.
  bool take(int from, int to, std::uint64_t sequence, std::uint64_t index, void* data,
            std::size_t bytes);

  // Withdraws all that `rank` offers and makes every other rank's calls fail.
  void fail(int rank, const std::string& why) noexcept;
  // Throws CommError once a rank has failed.
  void refuse_if_failed() const;

 private:
  struct Box {
    std::mutex mutex;
    std::deque<Offer> offers;
  };
  Box& box(int from, int to) { return boxes_[static_cast<std::size_t>(from * size_ + to)]; }

  int size_;
  std::vector<Box> boxes_;
  mutable std::mutex failure_mutex_;
  std::atomic<bool> has_failed_ = false;
  std::string failure_;
};

}  // namespace lockstep::comm
