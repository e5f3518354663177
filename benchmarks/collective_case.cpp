#include "benchmarks/collective_case.h"

#include <algorithm>
#include <iterator>

namespace lockstep::bench {
namespace {

constexpr std::string_view names[] = {"all_reduce",   "reduce_scatter", "all_gather", "broadcast",
                                      "reduce",       "gather",         "scatter",    "all_to_all",
                                      "send_receive", "barrier"};

bool takes_parts(Collective op) {
  return op == Collective::reduce_scatter || op == Collective::scatter;
}
bool gives_parts(Collective op) { return op == Collective::all_gather || op == Collective::gather; }

void send_and_receive(const CollectiveCase& on, const core::ConstBuffer& in, core::Buffer out,
                      comm::Communicator& ranks) {
  core::Stream& stream = core::current_stream({});
  const int next = (on.rank + 1) % on.ranks;
  const int previous = (on.rank + on.ranks - 1) % on.ranks;
  ranks
      .batch([&](comm::Batch& batch) {
        batch.send(in, next, stream);
        batch.receive(out, previous, stream);
      })
      .wait();
}

}  // namespace

std::vector<std::string> collective_names() { return {std::begin(names), std::end(names)}; }
std::string_view name_of(Collective op) { return names[static_cast<std::size_t>(op)]; }
Collective collective_named(const std::string& name) {
  return static_cast<Collective>(std::find(std::begin(names), std::end(names), name) -
                                 std::begin(names));
}

bool CollectiveCase::is_reduction() const {
  return op == Collective::all_reduce || op == Collective::reduce_scatter ||
         op == Collective::reduce;
}

bool CollectiveCase::has_root() const {
  return op == Collective::broadcast || op == Collective::reduce || op == Collective::gather ||
         op == Collective::scatter;
}

bool CollectiveCase::has_parts() const {
  return takes_parts(op) || gives_parts(op) || op == Collective::all_to_all;
}

bool CollectiveCase::serves(Placement placement) const {
  if (op == Collective::broadcast) return placement == Placement::in_place;
  if (op == Collective::send_receive || op == Collective::barrier)
    return placement == Placement::out_of_place;
  return true;
}

std::int64_t CollectiveCase::in_count() const { return gives_parts(op) ? part() : elements; }
std::int64_t CollectiveCase::out_count() const { return takes_parts(op) ? part() : elements; }

double CollectiveCase::bus_factor() const {
  const double n = ranks;
  if (op == Collective::all_reduce) return 2 * (n - 1) / n;
  return has_parts() ? (n - 1) / n : 1;
}

Operands operands_in(const CollectiveCase& on, Placement placement, std::byte* memory,
                     std::size_t apart) {
  if (placement == Placement::out_of_place) return {memory, memory + apart};
  std::byte* const own =
      memory + on.rank * on.part() * static_cast<std::int64_t>(size_of(on.dtype));
  return {gives_parts(on.op) ? own : memory, takes_parts(on.op) ? own : memory};
}

void call(const CollectiveCase& on, const Operands& operands, comm::Communicator& ranks) {
  const core::ConstBuffer in{operands.in, on.in_count(), on.dtype};
  const core::Buffer out{operands.out, on.out_count(), on.dtype, {}, {}};
  core::Stream& stream = core::current_stream({});
  switch (on.op) {
    case Collective::all_reduce:
      return ranks.all_reduce(in, out, on.redop, stream).wait();
    case Collective::reduce_scatter:
      return ranks.reduce_scatter(in, out, on.redop, stream).wait();
    case Collective::all_gather:
      return ranks.all_gather(in, out, stream).wait();
    case Collective::broadcast:
      return ranks.broadcast(out, on.root, stream).wait();
    case Collective::reduce:
      return ranks.reduce(in, out, on.redop, on.root, stream).wait();
    case Collective::gather:
      return ranks.gather(in, out, on.root, stream).wait();
    case Collective::scatter:
      return ranks.scatter(in, out, on.root, stream).wait();
    case Collective::all_to_all:
      return ranks.all_to_all(in, out, stream).wait();
    case Collective::send_receive:
      return send_and_receive(on, in, out, ranks);
    case Collective::barrier:
      return ranks.barrier();
  }
}

}  // namespace lockstep::bench
