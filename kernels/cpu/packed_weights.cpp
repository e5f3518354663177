#include "kernels/cpu/packed_weights.h"

#include <cstdlib>
#include <memory>
#include <new>
#include <unordered_map>

namespace lockstep::kernels::cpu {
namespace {

struct Free {
  void operator()(void* p) const { std::free(p); }
};

struct Entry {
  std::unique_ptr<void, Free> data;
  std::size_t bytes = 0;
  std::uint64_t version = 0;
  const void* source = nullptr;
  std::uint64_t last_use = 0;
};

// Blocks by weight and packing; past the limit the least recently used go.
class Cache {
 public:
  PackedBlock block(const PackedKey& key, std::size_t bytes) {
    Entry& entry = entries_[key.weight * 4 + static_cast<std::uint64_t>(key.packing)];
    entry.last_use = ++uses_;
    const bool is_filled =
        entry.bytes == bytes && entry.version == key.version && entry.source == key.data;
    if (entry.bytes != bytes) reallocate(entry, bytes);
    entry.version = key.version;
    entry.source = key.data;
    return {entry.data.get(), is_filled};
  }

 private:
  static constexpr std::size_t limit = std::size_t{1} << 30;

  void reallocate(Entry& entry, std::size_t bytes) {
    held_ -= entry.bytes;
    entry.data.reset();
    entry.bytes = 0;
    while (held_ + bytes > limit && drop_oldest()) {
    }
    entry.data.reset(std::aligned_alloc(64, (bytes + 63) / 64 * 64));
    if (entry.data == nullptr) throw std::bad_alloc();
    entry.bytes = bytes;
    held_ += bytes;
  }

  bool drop_oldest() {
    auto oldest = entries_.end();
    for (auto at = entries_.begin(); at != entries_.end(); ++at) {
      if (at->second.bytes == 0) continue;
      if (oldest == entries_.end() || at->second.last_use < oldest->second.last_use) oldest = at;
    }
    if (oldest == entries_.end()) return false;
    held_ -= oldest->second.bytes;
    entries_.erase(oldest);
    return true;
  }

  std::unordered_map<std::uint64_t, Entry> entries_;
  std::size_t held_ = 0;
  std::uint64_t uses_ = 0;
};

thread_local Cache cache;

}  // namespace

PackedBlock packed_block(const PackedKey& key, std::size_t bytes) {
  if (key.weight == 0) return {scratch_bytes(Scratch::weights, bytes), false};
  return cache.block(key, bytes);
}

}  // namespace lockstep::kernels::cpu
