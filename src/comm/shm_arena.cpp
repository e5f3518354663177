#include "src/comm/shm_arena.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace lockstep::comm {
// Ranks learn at different times which pieces are free, so the first one chooses for all.
core::Memory ShmArena::allocate(ShmMeeting& meeting, std::size_t bytes,
                                std::chrono::milliseconds limit) {
  sweep();
  const std::size_t first = ShmSegment::first_byte_of(board_->rank());
  ShmMeeting::Offer offer{.bytes = first + std::max<std::size_t>(bytes, 1)};
  if (board_->rank() == 0) {
    const auto number = free_number();
    offer.number = number.value_or(0);
    if (!number)
      offer.trouble = fmt::format(
          "{} pieces of shared memory are in use; allocate one "
          "piece for many tensors",
          entries_.size());
  }
  ShmMeeting::Shared shared = meeting.share(offer, limit);
  sweep();  // what the first rank has seen to be free
  next_ = shared.number + 1;
  const SharedSegment& own = shared.of_rank[static_cast<std::size_t>(board_->rank())];
  std::byte* const data = own->data() + first;
  entries_.push_back({shared.number, std::move(shared.of_rank)});
  auto* const lease = new Lease{shared_from_this(), shared.number};
  return core::Memory::adopt(new core::Block(data, bytes, Device{}, &ShmArena::give_back, lease));
}

// The next number whose place on the board no piece holds.
std::optional<std::uint32_t> ShmArena::free_number() const {
  std::vector<bool> is_taken(ShmBoard::segments, false);
  for (const Entry& entry : entries_) is_taken[entry.number % ShmBoard::segments] = true;
  for (std::uint32_t number = next_; number < next_ + ShmBoard::segments; ++number)
    if (!is_taken[number % ShmBoard::segments]) return number;
  return std::nullopt;
}

// On whatever thread drops the last handle, so it only leaves word.
void ShmArena::give_back(core::Block* block) noexcept {
  const std::unique_ptr<Lease> lease(static_cast<Lease*>(block->owner()));
  lease->arena->board_->release(lease->number);
  delete block;
}

std::optional<SharedAddress> ShmArena::address_of(const void* data, std::size_t bytes) const {
  const auto* const first = static_cast<const std::byte*>(data);
  for (const Entry& entry : entries_) {
    const ShmSegment& own = *entry.of_rank[static_cast<std::size_t>(board_->rank())];
    if (first < own.data() || first + bytes > own.data() + own.bytes()) continue;
    return SharedAddress{entry.number, static_cast<std::uint64_t>(first - own.data())};
  }
  return std::nullopt;
}

std::byte* ShmArena::at(int rank, const SharedAddress& address) const {
  const auto entry = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& each) {
    return each.number == address.segment;
  });
  check<CommError>(entry != entries_.end(), [&] {
    return Complaint{fmt::format("shared memory: rank {} uses a piece that is gone here", rank),
                     "keep memory from allocate() alive on every rank while any of them uses it"};
  });
  return entry->of_rank[static_cast<std::size_t>(rank)]->data() + address.offset;
}

void ShmArena::sweep() {
  const std::uint64_t releases = board_->releases();
  if (releases == seen_releases_) return;
  seen_releases_ = releases;
  std::erase_if(entries_,
                [&](const Entry& each) { return board_->is_released_by_all(each.number); });
}

}  // namespace lockstep::comm
