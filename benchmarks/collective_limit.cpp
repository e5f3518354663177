#include "benchmarks/collective_limit.h"

#include <algorithm>
#include <vector>

#include "lockstep/core/shard.h"

namespace lockstep::bench {
namespace {

struct Side {
  int rank;
  std::int64_t first;  // element
};

class Limit {
 public:
  Limit(const CollectiveCase& on, Placement placement, const PeerMemory& memory, std::size_t offset,
        std::size_t apart, Stores stores)
      : on_(on),
        placement_(placement),
        memory_(memory),
        offset_(offset),
        apart_(apart),
        stores_(stores) {}

  void run() {
    switch (on_.op) {
      case Collective::all_reduce:
        return fold(mine(), all(mine().begin));
      case Collective::reduce:
        return fold(mine(), {{on_.root, mine().begin}});
      case Collective::reduce_scatter:
        return fold({on_.rank * on_.part(), (on_.rank + 1) * on_.part()}, {{on_.rank, 0}});
      case Collective::all_gather:
        for (int rank = 0; rank < on_.ranks; ++rank)
          copy({rank, 0}, {on_.rank, rank * on_.part()}, on_.part());
        return;
      case Collective::gather:
        return copy({on_.rank, 0}, {on_.root, on_.rank * on_.part()}, on_.part());
      case Collective::scatter:
        return copy({on_.root, on_.rank * on_.part()}, {on_.rank, 0}, on_.part());
      case Collective::all_to_all:
        for (int rank = 0; rank < on_.ranks; ++rank)
          copy({rank, on_.rank * on_.part()}, {on_.rank, rank * on_.part()}, on_.part());
        return;
      case Collective::broadcast:
        return copy({on_.root, 0}, {on_.rank, 0}, on_.elements);
      case Collective::send_receive:
        return copy({(on_.rank + on_.ranks - 1) % on_.ranks, 0}, {on_.rank, 0}, on_.elements);
      case Collective::barrier:
        return;
    }
  }

 private:
  // Cut at cache lines, so that no two ranks write one.
  core::Range mine() const {
    const auto grain = static_cast<std::int64_t>(core::alignment / size_of(on_.dtype));
    const core::Range lines =
        core::part_of((on_.elements + grain - 1) / grain, on_.rank, on_.ranks);
    return {std::min(lines.begin * grain, on_.elements), std::min(lines.end * grain, on_.elements)};
  }
  std::vector<Side> all(std::int64_t first) const {
    std::vector<Side> sides;
    for (int rank = 0; rank < on_.ranks; ++rank) sides.push_back({rank, first});
    return sides;
  }

  Operands operands(int rank) const {
    CollectiveCase theirs = on_;
    theirs.rank = rank;
    // An exchange in place goes through a copy: its bytes are those of two places.
    const Placement placement =
        on_.op == Collective::all_to_all ? Placement::out_of_place : placement_;
    return operands_in(theirs, placement, memory_.of(rank) + offset_, apart_);
  }
  std::byte* in(Side side) const { return operands(side.rank).in + bytes(side.first); }
  std::byte* out(Side side) const { return operands(side.rank).out + bytes(side.first); }
  std::int64_t bytes(std::int64_t elements) const {
    return elements * static_cast<std::int64_t>(size_of(on_.dtype));
  }

  void fold(core::Range range, const std::vector<Side>& to) {
    std::vector<const std::byte*> sources;
    for (const Side& from : all(range.begin)) sources.push_back(in(from));
    std::vector<std::byte*> targets;
    for (const Side& side : to) targets.push_back(out(side));
    loop(sources, targets, range.count());
  }
  void copy(Side from, Side to, std::int64_t elements) {
    if (in(from) != out(to)) loop({in(from)}, {out(to)}, elements);
  }
  void loop(const std::vector<const std::byte*>& from, const std::vector<std::byte*>& to,
            std::int64_t elements) const {
    run_bare_loop({.sources = from.data(),
                   .source_count = static_cast<int>(from.size()),
                   .targets = to.data(),
                   .target_count = static_cast<int>(to.size()),
                   .bytes = static_cast<std::size_t>(bytes(elements)),
                   .element_size = static_cast<int>(size_of(on_.dtype)),
                   .is_floating = is_floating(on_.dtype)},
                  stores_);
  }

  const CollectiveCase& on_;
  Placement placement_;
  const PeerMemory& memory_;
  std::size_t offset_;
  std::size_t apart_;
  Stores stores_;
};

}  // namespace

void run_limit(const CollectiveCase& on, Placement placement, const PeerMemory& memory,
               std::size_t offset, std::size_t apart, Stores stores) {
  Limit(on, placement, memory, offset, apart, stores).run();
}

void run_own_copy(const CollectiveCase& on, std::byte* from, std::byte* to, Stores stores) {
  const std::byte* const source = from;
  run_bare_loop({.sources = &source,
                 .source_count = 1,
                 .targets = &to,
                 .target_count = 1,
                 .bytes = on.bytes(),
                 .element_size = 4,
                 .is_floating = false},
                stores);
}

}  // namespace lockstep::bench
