// What the ranks of a shared-memory communicator write for each other to read: how far each has
// come, what its calls are about, and why they failed.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "src/comm/shm_meeting.h"
#include "src/comm/signature.h"

namespace lockstep::comm {

// Memory within the segments that all ranks have mapped.
struct SharedAddress {
  std::uint32_t segment = 0;
  std::uint64_t offset = 0;
};

// One call of one rank.
struct alignas(64) CallSlot {
  static constexpr std::size_t most_inputs = 24;
  static constexpr std::size_t payload_bytes = 8192;

  Signature signature;
  std::uint32_t inputs = 0;
  bool has_payload = false;        // all inputs lie in `payload`, one after the other
  bool has_shared_inputs = false;  // all inputs lie where `in` says
  bool has_shared_out = false;
  bool passes_by_cache = false;  // the first rank's word on how all write results
  SharedAddress out;
  SharedAddress in[most_inputs];
  alignas(64) std::byte payload[payload_bytes];
};

class ShmBoard {
 public:
  static constexpr std::uint64_t slots = 64;
  static constexpr std::uint32_t segments = 1024;  // that may be in use at once

  // Collective. The board takes the first rank's memory.
  static std::shared_ptr<ShmBoard> joined(ShmMeeting& meeting, std::chrono::milliseconds limit);

  int rank() const { return rank_; }
  int size() const { return size_; }

  // Calls are numbered from 1. A slot can be written once every rank is through with the call that
  // it held before.
  CallSlot& slot(int rank, std::uint64_t call) const;
  bool is_slot_free(std::uint64_t call) const { return call <= slots || all_through(call - slots); }
  void post(std::uint64_t call);  // my slot is written
  void pass(std::uint64_t call);  // I am through with the others' memory
  bool all_posted(std::uint64_t call) const;
  bool all_through(std::uint64_t call) const;
  std::uint64_t posted(int rank) const;

  // Ends every rank's calls; the first failure is the one that all are told.
  void fail(int rank, const CommError& why) noexcept;
  // Throws CommError once a rank has failed.
  void refuse_if_failed() const;

  void leave() noexcept;
  bool has_left(int rank) const;

  // A rank no longer uses its part of a segment.
  void release(std::uint32_t segment) noexcept;
  bool is_released_by_all(std::uint32_t segment) const;
  std::uint64_t releases() const;

  // Something moved on: rests start anew, and whoever sleeps looks again.
  void moved() noexcept;
  // A pause of a waiting rank: gives its core away, from the `yields`-th pause in a row on by
  // sleeping until something moves (or a millisecond is over).
  void rest(int yields);

  // Memory for the rings and the windows, after the board's own.
  std::byte* rings() const;
  std::byte* windows() const;
  static constexpr std::size_t alignment = 64;

 private:
  struct Header;
  struct Line;
  ShmBoard(SharedSegment segment, int rank, int size);
  static std::size_t bytes_for(int size);
  void wake() noexcept;
  void withdraw() noexcept;
  Header& header() const;
  Line& line(int rank) const;

  SharedSegment segment_;
  int rank_;
  int size_;
  int rests_ = 0;
  std::uint32_t seen_events_ = 0;
  bool is_announced_ = false;  // among those who may sleep
};

}  // namespace lockstep::comm
