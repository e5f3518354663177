#include "lockstep/data/sampler.h"

#include <numeric>
#include <utility>

#include "src/data/keys.h"

namespace lockstep::data {
namespace {

// A number below `bound`: the upper half of a 128-bit product, biased by less than bound / 2^64.
std::uint64_t below(std::uint64_t bound, std::uint64_t random) {
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(random) * bound) >> 64);
}

std::uint64_t pair_of(const core::Words& words, std::uint64_t which) {
  return words[2 * which] | std::uint64_t{words[2 * which + 1]} << 32;
}

}  // namespace

void Sampler::order(std::int64_t epoch, std::vector<std::int64_t>& order) const {
  order.resize(static_cast<std::size_t>(count_));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  if (!options_.shuffle) return;
  const core::RngKey key = order_key(options_.seed, epoch);
  core::Words words{};
  for (std::uint64_t drawn = 0; drawn + 1 < order.size(); ++drawn) {
    if (drawn % 2 == 0) words = key.words(drawn / 2);
    const std::uint64_t last = order.size() - 1 - drawn;
    std::swap(order[last], order[below(last + 1, pair_of(words, drawn % 2))]);
  }
}

}  // namespace lockstep::data
