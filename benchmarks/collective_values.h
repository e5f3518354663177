// What the ranks of a timed collective give, and how many elements of a result are wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "benchmarks/collective_case.h"

namespace lockstep::bench {

// Small whole numbers, whose sums every dtype holds exactly; other ones for each rank and each
// generation, so that stale memory shows. They repeat after a prime number of elements, so that
// writing and checking take the time of a copy and a part in the wrong place shows too.
class CollectiveValues {
 public:
  CollectiveValues(const CollectiveCase& on, int generation);

  // Fills this rank's `in` (the root's data of a broadcast: every rank's own).
  void write(std::byte* in) const;
  // The wrong elements of this rank's `out`; a mean may be off by its two roundings.
  std::int64_t wrong(const std::byte* out) const;

 private:
  using Tile = std::vector<std::byte>;
  // [begin, end) of `out` is the tile's content from element `offset` on.
  struct Segment {
    std::int64_t begin;
    std::int64_t end;
    const Tile* tile;
    std::int64_t offset;
  };
  std::vector<Segment> expected() const;
  std::int64_t wrong(const std::byte* out, const Segment& segment) const;

  CollectiveCase on_;
  std::vector<Tile> given_;  // by rank
  Tile reduced_;
};

}  // namespace lockstep::bench
