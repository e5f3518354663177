// Memory that every rank of a host has mapped: who may be pointed at, and where it lies here.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "lockstep/core/allocator.h"
#include "src/comm/shm_board.h"

namespace lockstep::comm {

class ShmArena : public std::enable_shared_from_this<ShmArena> {
 public:
  explicit ShmArena(std::shared_ptr<ShmBoard> board) : board_(std::move(board)) {}

  // Collective; sizes may differ. The memory outlives the communicator where it has to.
  core::Memory allocate(ShmMeeting& meeting, std::size_t bytes, std::chrono::milliseconds limit);
  // Where `bytes` bytes of this rank lie for its peers; nothing where they cannot see them.
  std::optional<SharedAddress> address_of(const void* data, std::size_t bytes) const;
  // Rank `rank`'s memory, in this process.
  std::byte* at(int rank, const SharedAddress& address) const;
  // Unmaps what no rank uses any more.
  void sweep();

 private:
  struct Entry {
    std::uint32_t number = 0;
    std::vector<SharedSegment> of_rank;
  };
  struct Lease {
    std::shared_ptr<ShmArena> arena;
    std::uint32_t number;
  };
  static void give_back(core::Block* block) noexcept;
  std::optional<std::uint32_t> free_number() const;

  std::shared_ptr<ShmBoard> board_;
  std::vector<Entry> entries_;  // in the order of their numbers
  std::uint32_t next_ = 0;
  std::uint64_t seen_releases_ = 0;
};

}  // namespace lockstep::comm
