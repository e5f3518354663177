#include "lockstep/core/random.h"

namespace lockstep::core {
namespace {

thread_local RngKey key;

}  // namespace

RandomScope::RandomScope(std::uint64_t seed, std::uint32_t step, std::uint32_t shard)
    : outer_(key) {
  key = {seed, step, shard, 0};
}

RandomScope::~RandomScope() { key = outer_; }

RngKey next_key() {
  const RngKey current = key;
  ++key.ordinal;
  return current;
}

RngKey current_key() { return key; }

void restore_key(const RngKey& restored) { key = restored; }

void manual_seed(std::uint64_t seed) { key = {seed, 0, 0, 0}; }

}  // namespace lockstep::core
