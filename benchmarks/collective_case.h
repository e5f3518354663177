// The collectives that are timed: who gives and gets how much, what a right result is, and the
// conventions by which a time becomes a bandwidth.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lockstep/comm/communicator.h"

namespace lockstep::bench {

enum class Collective : std::uint8_t {
  all_reduce,
  reduce_scatter,
  all_gather,
  broadcast,
  reduce,
  gather,
  scatter,
  all_to_all,
  send_receive,  // to the next rank, from the one before, at once
  barrier
};
std::vector<std::string> collective_names();
std::string_view name_of(Collective op);
Collective collective_named(const std::string& name);

enum class Placement : std::uint8_t { out_of_place, in_place };
constexpr std::string_view name_of(Placement placement) {
  return placement == Placement::in_place ? "in_place" : "out_of_place";
}

// One line of the table.
struct CollectiveCase {
  Collective op = Collective::all_reduce;
  DType dtype = DType::f32;
  comm::Reduce redop = comm::Reduce::sum;
  int root = 0;
  int rank = 0;
  int ranks = 1;
  std::int64_t elements = 0;  // of the larger side; a multiple of the ranks where it has parts

  bool is_reduction() const;
  bool has_root() const;
  // One side consists of equal parts, one for each rank.
  bool has_parts() const;
  bool serves(Placement placement) const;

  std::size_t bytes() const { return static_cast<std::size_t>(elements) * size_of(dtype); }
  std::int64_t part() const { return elements / ranks; }
  std::int64_t in_count() const;
  std::int64_t out_count() const;
  // nccl-tests' column `count`: what a rank passes as the call's count.
  std::int64_t count_column() const { return has_parts() ? part() : elements; }
  // What algbw is multiplied by to give busbw, the use of the slowest link whatever the ranks; as
  // nccl-tests' PERFORMANCE.md defines it.
  double bus_factor() const;
};

// Where this rank's sides of one call lie. In place they share memory.
struct Operands {
  std::byte* in = nullptr;
  std::byte* out = nullptr;
};
// Within memory for one side, or in front of `apart` bytes of another for the other side.
Operands operands_in(const CollectiveCase& on, Placement placement, std::byte* memory,
                     std::size_t apart);

// Makes the call and waits for it.
void call(const CollectiveCase& on, const Operands& operands, comm::Communicator& ranks);

}  // namespace lockstep::bench
