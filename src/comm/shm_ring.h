// The one-way queues of bytes through which messages between two ranks travel.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace lockstep::comm {

// One writer, one reader; zeroes are an empty ring. A record is a header and its payload, in whole
// cache lines. Heads and tails are sequentially consistent, see ShmBoard::post.
class ShmRing {
 public:
  struct alignas(64) Record {
    std::uint64_t sequence = 0;
    std::uint64_t index = 0;
    std::uint64_t total = 0;   // bytes of the message
    std::uint64_t offset = 0;  // of the payload in it
    std::uint32_t bytes = 0;   // of the payload
    std::uint8_t kind = 0;
    bool is_point_to_point = false;
  };

  // False where it does not fit yet.
  bool push(std::size_t capacity, const Record& record, const std::byte* payload) {
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    const std::uint64_t needed = sizeof(Record) + padded(record.bytes);
    if (head + needed - tail_.load() > capacity) return false;
    std::memcpy(data() + head % capacity, &record, sizeof record);
    if (payload != nullptr && record.bytes > 0) {
      const std::uint64_t at = (head + sizeof record) % capacity;
      const std::size_t straight = std::min<std::size_t>(record.bytes, capacity - at);
      std::memcpy(data() + at, payload, straight);
      std::memcpy(data(), payload + straight, record.bytes - straight);
    }
    head_.store(head + needed);
    return true;
  }

  // The record at the front; false in an empty ring.
  bool peek(std::size_t capacity, Record& record) const {
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (head_.load() == tail) return false;
    std::memcpy(&record, data() + tail % capacity, sizeof record);
    return true;
  }

  // Copies the payload of the front's record out and drops it.
  void pop(std::size_t capacity, const Record& record, std::byte* to) {
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (to != nullptr && record.bytes > 0) {
      const std::uint64_t at = (tail + sizeof record) % capacity;
      const std::size_t straight = std::min<std::size_t>(record.bytes, capacity - at);
      std::memcpy(to, data() + at, straight);
      std::memcpy(to + straight, data(), record.bytes - straight);
    }
    tail_.store(tail + sizeof record + padded(record.bytes));
  }

 private:
  static std::uint64_t padded(std::uint64_t bytes) { return (bytes + 63) / 64 * 64; }
  std::byte* data() { return reinterpret_cast<std::byte*>(this + 1); }
  const std::byte* data() const { return reinterpret_cast<const std::byte*>(this + 1); }

  alignas(64) std::atomic<std::uint64_t> head_;
  alignas(64) std::atomic<std::uint64_t> tail_;
};

// The rings of all ordered pairs of ranks.
class ShmRings {
 public:
  ShmRings(std::byte* memory, int size)
      : memory_(memory), size_(size), capacity_(capacity_for(size)) {}

  static std::size_t bytes_for(int size) {
    const auto ranks = static_cast<std::size_t>(size);
    return ranks * ranks * (sizeof(ShmRing) + capacity_for(size));
  }
  std::size_t capacity() const { return capacity_; }
  ShmRing& ring(int from, int to) const {
    const auto number = static_cast<std::size_t>(from) * static_cast<std::size_t>(size_) +
                        static_cast<std::size_t>(to);
    return *reinterpret_cast<ShmRing*>(memory_ + number * (sizeof(ShmRing) + capacity_));
  }

 private:
  // About 2 MiB for each rank's way in.
  static std::size_t capacity_for(int size) {
    const std::size_t share = (std::size_t{2} << 20) / static_cast<std::size_t>(size);
    return std::max<std::size_t>(std::bit_floor(share), std::size_t{32} << 10);
  }

  std::byte* memory_;
  int size_;
  std::size_t capacity_;
};

}  // namespace lockstep::comm
