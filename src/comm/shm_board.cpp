#include "src/comm/shm_board.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <new>
#include <thread>

#include "src/comm/peer_failure.h"
#include "src/comm/shm_ring.h"
#include "src/comm/shm_window.h"

namespace lockstep::comm {
namespace {

template <class T> using Atomic = std::atomic<T>;
static_assert(Atomic<std::uint64_t>::is_always_lock_free);  // works between processes

}  // namespace

struct ShmBoard::Header {
  alignas(64) Atomic<std::uint32_t> failure;  // the rank that tells of it plus 1
  alignas(64) Atomic<std::uint32_t> events;
  alignas(64) Atomic<std::uint32_t> sleepers;
  alignas(64) Atomic<std::uint64_t> releases;
};

// Written by one rank. What the others wait for has cache lines of its own.
struct ShmBoard::Line {
  alignas(64) Atomic<std::uint64_t> posted;
  alignas(64) Atomic<std::uint64_t> through;
  alignas(64) Atomic<std::uint32_t> has_left;
  alignas(64) Atomic<std::uint32_t> released[segments];  // the number of the segment plus 1
  std::int32_t failed_rank;                              // what this rank tells of a failure
  char why[2500];
  char where[500];
  char fix[1000];
  CallSlot slots[ShmBoard::slots];
};

std::size_t ShmBoard::bytes_for(int size) {
  return sizeof(Header) + static_cast<std::size_t>(size) * sizeof(Line) +
         ShmRings::bytes_for(size) + ShmWindows::bytes_for(size);
}

std::shared_ptr<ShmBoard> ShmBoard::joined(ShmMeeting& meeting, std::chrono::milliseconds limit) {
  const bool is_first = meeting.rank() == 0;
  const auto all = meeting.share({.bytes = is_first ? bytes_for(meeting.size()) : 0}, limit);
  return std::shared_ptr<ShmBoard>(
      new ShmBoard(all.of_rank.front(), meeting.rank(), meeting.size()));
}

// A new segment's zeroes are an empty board.
ShmBoard::ShmBoard(SharedSegment segment, int rank, int size)
    : segment_(std::move(segment)), rank_(rank), size_(size) {}

ShmBoard::Header& ShmBoard::header() const {
  return *std::launder(reinterpret_cast<Header*>(segment_->data()));
}

ShmBoard::Line& ShmBoard::line(int rank) const {
  std::byte* const lines = segment_->data() + sizeof(Header);
  return *std::launder(
      reinterpret_cast<Line*>(lines + static_cast<std::size_t>(rank) * sizeof(Line)));
}

std::byte* ShmBoard::rings() const {
  return segment_->data() + sizeof(Header) + static_cast<std::size_t>(size_) * sizeof(Line);
}

std::byte* ShmBoard::windows() const { return rings() + ShmRings::bytes_for(size_); }

CallSlot& ShmBoard::slot(int rank, std::uint64_t call) const {
  return line(rank).slots[call % slots];
}

// Sequentially consistent, as the waiters' looks at these counters and ours at the sleepers are: of
// a rank that falls asleep and one that moves on, one sees the other.
void ShmBoard::post(std::uint64_t call) {
  line(rank_).posted.store(call);
  moved();
}

void ShmBoard::pass(std::uint64_t call) {
  line(rank_).through.store(call);
  moved();
}

bool ShmBoard::all_posted(std::uint64_t call) const {
  for (int rank = 0; rank < size_; ++rank)
    if (line(rank).posted.load() < call) return false;
  return true;
}

bool ShmBoard::all_through(std::uint64_t call) const {
  for (int rank = 0; rank < size_; ++rank)
    if (line(rank).through.load() < call) return false;
  return true;
}

std::uint64_t ShmBoard::posted(int rank) const {
  return line(rank).posted.load(std::memory_order_acquire);
}

void ShmBoard::fail(int rank, const CommError& why) noexcept {
  Header& shared = header();
  if (shared.failure.load() != 0) return;
  Line& own = line(rank_);  // so that a rank which is killed here leaves nothing half told
  own.failed_rank = rank;
  write_text(why.problem(), own.why);
  write_text(why.where(), own.where);
  write_text(why.fix(), own.fix);
  std::uint32_t none = 0;
  if (shared.failure.compare_exchange_strong(none, static_cast<std::uint32_t>(rank_) + 1)) wake();
}

void ShmBoard::refuse_if_failed() const {
  const std::uint32_t teller = header().failure.load();
  if (teller == 0) return;
  const Line& told = line(static_cast<int>(teller) - 1);
  throw peer_failure(told.failed_rank, told.why, told.where, told.fix);
}

void ShmBoard::leave() noexcept {
  line(rank_).has_left.store(1);
  moved();
}

bool ShmBoard::has_left(int rank) const { return line(rank).has_left.load() != 0; }

void ShmBoard::release(std::uint32_t segment) noexcept {
  line(rank_).released[segment % segments].store(segment + 1);
  header().releases.fetch_add(1);
}

bool ShmBoard::is_released_by_all(std::uint32_t segment) const {
  for (int rank = 0; rank < size_; ++rank)
    if (line(rank).released[segment % segments].load() != segment + 1) return false;
  return true;
}

std::uint64_t ShmBoard::releases() const {
  return header().releases.load(std::memory_order_acquire);
}

void ShmBoard::moved() noexcept {
  rests_ = 0;
  withdraw();
  wake();
}

// A rank announces its sleep one rest before it falls asleep: between the two its caller looks once
// more, so that a change in between is seen or wakes it.
void ShmBoard::rest(int yields) {
  if (++rests_ <= yields) {
    std::this_thread::yield();
    return;
  }
  if (!is_announced_) {
    is_announced_ = true;
    header().sleepers.fetch_add(1);
    seen_events_ = header().events.load();
    return;
  }
  const timespec limit{0, 1'000'000};
  ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&header().events), FUTEX_WAIT, seen_events_,
            &limit, nullptr, 0);
  withdraw();
}

void ShmBoard::withdraw() noexcept {
  if (is_announced_) header().sleepers.fetch_sub(1);
  is_announced_ = false;
}

void ShmBoard::wake() noexcept {
  Header& shared = header();
  if (shared.sleepers.load() == 0) return;
  shared.events.fetch_add(1);
  ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&shared.events), FUTEX_WAKE, INT_MAX,
            nullptr, nullptr, 0);
}

}  // namespace lockstep::comm
