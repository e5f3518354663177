// Where the ranks' parts lie in a buffer that holds one for each, in the order of the ranks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>

#include "lockstep/core/allocator.h"
#include "lockstep/core/shard.h"

namespace lockstep::comm {

class Parts {
 public:
  // `counts` elements or, where there are none (not a v-variant), `each` for every rank.
  Parts(std::span<const std::int64_t> counts, std::int64_t each) : counts_(counts), each_(each) {}

  core::Range of(int rank) const {
    if (counts_.empty()) return {rank * each_, (rank + 1) * each_};
    const auto own = counts_.begin() + rank;
    const std::int64_t begin = std::accumulate(counts_.begin(), own, std::int64_t{0});
    return {begin, begin + *own};
  }

 private:
  std::span<const std::int64_t> counts_;
  std::int64_t each_;
};

// Part `part` of `parts` of `count` elements, on bounds that are whole cache lines of elements of
// `element` bytes.
inline core::Range aligned_part(std::int64_t count, std::size_t element, int part, int parts) {
  const auto line = static_cast<std::int64_t>(core::alignment / element);
  const core::Range lines = core::part_of((count + line - 1) / line, part, parts);
  return {std::min(count, lines.begin * line), std::min(count, lines.end * line)};
}

}  // namespace lockstep::comm
