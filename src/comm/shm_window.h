// The memory through which data travel that the ranks cannot see of each other: a few slots of
// every rank, which all have mapped.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace lockstep::comm {

// Zeroes are windows that nothing has gone through. Rounds are numbered from 1, over all calls.
class ShmWindows {
 public:
  // Measured on 2 ranks: smaller slots pay more for their hand-offs, and all slots of a rank should
  // stay in its second-level cache.
  static constexpr std::size_t slot_bytes = std::size_t{256} << 10;
  static constexpr std::uint64_t slots = 3;

  ShmWindows(std::byte* memory, int size) : memory_(memory), size_(size) {}
  static std::size_t bytes_for(int size) {
    return static_cast<std::size_t>(size) * (sizeof(Line) + slots * slot_bytes);
  }

  std::byte* slot(int rank, std::uint64_t round) const {
    const auto number = static_cast<std::size_t>(rank) * slots + round % slots;
    return memory_ + static_cast<std::size_t>(size_) * sizeof(Line) + number * slot_bytes;
  }

  // Sequentially consistent, see ShmBoard::post.
  void note_filled(int rank, std::uint64_t round) const { line(rank).filled.store(round); }
  void note_folded(int rank, std::uint64_t round) const { line(rank).folded.store(round); }
  bool all_filled(std::uint64_t round) const { return all_reached(&Line::filled, round); }
  bool all_folded(std::uint64_t round) const { return all_reached(&Line::folded, round); }

 private:
  struct Line {
    alignas(64) std::atomic<std::uint64_t> filled;
    alignas(64) std::atomic<std::uint64_t> folded;
  };
  Line& line(int rank) const { return reinterpret_cast<Line*>(memory_)[rank]; }
  bool all_reached(std::atomic<std::uint64_t> Line::*step, std::uint64_t round) const {
    for (int rank = 0; rank < size_; ++rank)
      if ((line(rank).*step).load() < round) return false;
    return true;
  }

  std::byte* memory_;
  int size_;
};

}  // namespace lockstep::comm
