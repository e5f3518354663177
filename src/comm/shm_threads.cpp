// The meeting of ranks that are threads of one process.
#include <condition_variable>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "src/comm/shm_meeting.h"

namespace lockstep::comm {
namespace {

// Where the threads meet: each lays down its part, and all take everything once the last has come.
class Table {
 public:
  explicit Table(int size) : size_(size) {}

  struct Part {
    std::vector<std::byte> note;
    SharedSegment segment;
  };

  std::vector<Part> meet(int rank, Part part, std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    // The round before must have been taken by all before the next begins.
    wait_for(lock, deadline, [&] { return taken_ == 0; });
    parts_.resize(static_cast<std::size_t>(size_));
    parts_[static_cast<std::size_t>(rank)] = std::move(part);
    const std::uint64_t round = round_;
    if (++laid_ == size_) {
      laid_ = 0;
      taken_ = size_;
      ++round_;
      change_.notify_all();
    }
    wait_for(lock, deadline, [&] { return round_ != round; });
    std::vector<Part> all = parts_;
    if (--taken_ == 0) {
      parts_.clear();
      change_.notify_all();
    }
    return all;
  }

  std::shared_ptr<Table> part(std::uint64_t id, int size) {
    const std::lock_guard lock(mutex_);
    auto& entry = groups_[id];
    if (!entry.first) entry = {std::make_shared<Table>(size), size};
    auto table = entry.first;
    if (--entry.second == 0) groups_.erase(id);
    return table;
  }

 private:
  template <class Condition>
  void wait_for(std::unique_lock<std::mutex>& lock, std::chrono::steady_clock::time_point deadline,
                const Condition& condition) {
    check<CommError>(change_.wait_until(lock, deadline, condition), [&] {
      return Complaint{"shared memory: only " + std::to_string(laid_) + " of " +
                           std::to_string(size_) + " ranks have come",
                       "make the same calls on every rank; look at the other ranks' messages"};
    });
  }

  int size_;
  std::mutex mutex_;
  std::condition_variable change_;
  std::vector<Part> parts_;
  int laid_ = 0;
  int taken_ = 0;
  std::uint64_t round_ = 0;
  std::unordered_map<std::uint64_t, std::pair<std::shared_ptr<Table>, int>> groups_;
};

class ThreadMeeting final : public ShmMeeting {
 public:
  ThreadMeeting(int rank, int size, std::shared_ptr<Table> table)
      : ShmMeeting(rank, size), table_(std::move(table)) {}

  std::unique_ptr<ShmMeeting> part(std::span<const int> ranks, int index, const Group& group,
                                   Communicator& /*on*/) override {
    if (ranks.empty()) return nullptr;
    const int members = static_cast<int>(ranks.size());
    return std::make_unique<ThreadMeeting>(index, members, table_->part(group.id, members));
  }

 private:
  std::vector<SharedSegment> exchange(const Note& own, SharedSegment segment,
                                      std::vector<Note>& notes, Deadline deadline) override {
    const auto* const bytes = reinterpret_cast<const std::byte*>(&own);
    const auto all =
        table_->meet(rank(), {{bytes, bytes + sizeof own}, std::move(segment)}, deadline);
    std::vector<SharedSegment> segments;
    for (const Table::Part& part : all) {
      notes.push_back(*reinterpret_cast<const Note*>(part.note.data()));
      segments.push_back(part.segment);
    }
    return segments;
  }

  std::shared_ptr<Table> table_;
};

}  // namespace

std::vector<std::unique_ptr<ShmMeeting>> meet_as_threads(int size) {
  const auto table = std::make_shared<Table>(size);
  std::vector<std::unique_ptr<ShmMeeting>> ranks;
  for (int rank = 0; rank < size; ++rank)
    ranks.push_back(std::make_unique<ThreadMeeting>(rank, size, table));
  return ranks;
}

}  // namespace lockstep::comm
