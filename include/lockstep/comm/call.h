// A collective as its caller asked for it: what transports start, errors describe and the flight
// record keeps.
#pragma once

#include <cstdint>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include "lockstep/comm/reduce.h"
#include "lockstep/core/buffer.h"

namespace lockstep::comm {

// Where the caller's source called a collective.
using Site = std::source_location;

enum class Op : std::uint8_t { all_reduce, reduce_scatter, all_gather, broadcast, barrier };

constexpr std::string_view name_of(Op op) {
  constexpr std::string_view names[] = {"all_reduce", "reduce_scatter", "all_gather", "broadcast",
                                        "barrier"};
  return names[static_cast<std::size_t>(op)];
}

struct Call {
  Op op = Op::barrier;
  Reduce reduce = Reduce::sum;  // reductions
  int root = 0;                 // broadcast
  int shards = 1;  // reductions: leaves of the tree; the number of ranks where each gives one
  std::vector<core::ConstBuffer>
      in;  // one, or the partials of a forest (none on a rank without shards)
  core::Buffer out;
  std::uint64_t sequence = 0;  // given by the communicator, from 1
  Site site;

  // "all_reduce #1842 (sum, f32 x 6553600)"
  std::string description() const;
};

}  // namespace lockstep::comm
