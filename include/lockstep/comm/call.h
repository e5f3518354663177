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

enum class Op : std::uint8_t {
  all_reduce,
  reduce_scatter,
  all_gather,
  broadcast,
  barrier,
  reduce,
  gather,
  scatter,
  all_to_all,
  send,
  receive
};

constexpr std::string_view name_of(Op op) {
  constexpr std::string_view names[] = {"all_reduce", "reduce_scatter", "all_gather", "broadcast",
                                        "barrier",    "reduce",         "gather",     "scatter",
                                        "all_to_all", "send",           "receive"};
  return names[static_cast<std::size_t>(op)];
}

constexpr bool is_reduction(Op op) {
  return op == Op::all_reduce || op == Op::reduce_scatter || op == Op::reduce;
}
constexpr bool has_root(Op op) {
  return op == Op::broadcast || op == Op::reduce || op == Op::gather || op == Op::scatter;
}
// A message between two ranks; the others take no part.
constexpr bool is_point_to_point(Op op) { return op == Op::send || op == Op::receive; }

struct Call {
  Op op = Op::barrier;
  Reduce reduce = Reduce::sum;  // reductions
  int root = 0;                 // of calls that have one; the peer of send and receive
  int shards = 1;  // reductions: leaves of the tree; the number of ranks where each gives one
  // One, or the partials of a forest (none on a rank without shards). Where a rank has nothing to
  // give or to take, that side has 0 elements and the call's dtype.
  std::vector<core::ConstBuffer> in;
  core::Buffer out;
  std::vector<std::int64_t> counts;    // v-variants: elements of each rank; all_to_all_v: sent
  std::vector<std::int64_t> received;  // all_to_all_v
  std::uint64_t plan = 0;              // 0, or the hash of a plan that stands in for the check
  bool is_checked = true;              // its signature is compared before data moves
  std::uint64_t sequence = 0;          // given by the communicator, from 1; of a pair's messages
  Site site;

  // Of the larger side.
  std::int64_t count() const;
  // "all_reduce #1842 (sum, f32 x 6553600)", "send #3 to rank 1 (f32 x 10)"
  std::string description() const;
};

}  // namespace lockstep::comm
