#include "lockstep/comm/collective_calls.h"

#include <utility>
#include <vector>

#include "lockstep/comm/communicator.h"

namespace lockstep::comm {
namespace {

using core::Buffer;
using core::ConstBuffer;

// The side on which a rank has nothing to give or to take.
Buffer nothing_like(const ConstBuffer& other) {
  return {.data = nullptr, .count = 0, .dtype = other.dtype, .device = other.device, .keep = {}};
}

std::vector<ConstBuffer> one(ConstBuffer in) {
  std::vector<ConstBuffer> list;
  list.push_back(std::move(in));
  return list;
}

Call reduction(Op op, Reduce reduce, Partials in, Buffer out, Site site) {
  return {.op = op,
          .reduce = reduce,
          .shards = in.shards,
          .in = {in.nodes.begin(), in.nodes.end()},
          .out = std::move(out),
          .plan = in.plan,
          .site = site};
}

Call movement(Op op, ConstBuffer in, Buffer out, int root, Counts counts, Site site) {
  return {.op = op,
          .root = root,
          .in = one(std::move(in)),
          .out = std::move(out),
          .counts = {counts.begin(), counts.end()},
          .site = site};
}

}  // namespace

template <class Result>
Result CollectiveCalls<Result>::all_reduce(ConstBuffer in, Buffer out, Reduce op,
                                           core::Stream& after, Site site) {
  return all_reduce(Partials{{&in, 1}, membership().size}, std::move(out), op, after, site);
}

template <class Result>
Result CollectiveCalls<Result>::all_reduce(Partials in, Buffer out, Reduce op, core::Stream& after,
                                           Site site) {
  return submit(reduction(Op::all_reduce, op, in, std::move(out), site), after);
}

template <class Result>
Result CollectiveCalls<Result>::reduce(ConstBuffer in, Buffer out, Reduce op, int root,
                                       core::Stream& after, Site site) {
  if (membership().rank != root) out = nothing_like(in);
  Call call =
      reduction(Op::reduce, op, Partials{{&in, 1}, membership().size}, std::move(out), site);
  call.root = root;
  return submit(std::move(call), after);
}

template <class Result>
Result CollectiveCalls<Result>::reduce_scatter(ConstBuffer in, Buffer out, Reduce op,
                                               core::Stream& after, Site site) {
  return reduce_scatter_v(std::move(in), std::move(out), {}, op, after, site);
}

template <class Result>
Result CollectiveCalls<Result>::reduce_scatter_v(ConstBuffer in, Buffer out, Counts counts,
                                                 Reduce op, core::Stream& after, Site site) {
  return reduce_scatter_v(Partials{{&in, 1}, membership().size}, std::move(out), counts, op, after,
                          site);
}

template <class Result>
Result CollectiveCalls<Result>::reduce_scatter_v(Partials in, Buffer out, Counts counts, Reduce op,
                                                 core::Stream& after, Site site) {
  Call call = reduction(Op::reduce_scatter, op, in, std::move(out), site);
  call.counts.assign(counts.begin(), counts.end());
  return submit(std::move(call), after);
}

template <class Result>
Result CollectiveCalls<Result>::all_gather(ConstBuffer in, Buffer out, core::Stream& after,
                                           Site site) {
  return all_gather_v(std::move(in), std::move(out), {}, after, site);
}

template <class Result>
Result CollectiveCalls<Result>::all_gather_v(ConstBuffer in, Buffer out, Counts counts,
                                             core::Stream& after, Site site) {
  return all_gather_v(std::move(in), std::move(out), counts, after, 0, site);
}

template <class Result>
Result CollectiveCalls<Result>::all_gather_v(ConstBuffer in, Buffer out, Counts counts,
                                             core::Stream& after, std::uint64_t plan, Site site) {
  Call call = movement(Op::all_gather, std::move(in), std::move(out), 0, counts, site);
  call.plan = plan;
  return submit(std::move(call), after);
}

template <class Result>
Result CollectiveCalls<Result>::gather(ConstBuffer in, Buffer out, int root, core::Stream& after,
                                       Site site) {
  return gather_v(std::move(in), std::move(out), {}, root, after, site);
}

template <class Result>
Result CollectiveCalls<Result>::gather_v(ConstBuffer in, Buffer out, Counts counts, int root,
                                         core::Stream& after, Site site) {
  if (membership().rank != root) out = nothing_like(in);
  return submit(movement(Op::gather, std::move(in), std::move(out), root, counts, site), after);
}

template <class Result>
Result CollectiveCalls<Result>::scatter(ConstBuffer in, Buffer out, int root, core::Stream& after,
                                        Site site) {
  return scatter_v(std::move(in), std::move(out), {}, root, after, site);
}

template <class Result>
Result CollectiveCalls<Result>::scatter_v(ConstBuffer in, Buffer out, Counts counts, int root,
                                          core::Stream& after, Site site) {
  if (membership().rank != root) in = nothing_like(out);
  return submit(movement(Op::scatter, std::move(in), std::move(out), root, counts, site), after);
}

template <class Result>
Result CollectiveCalls<Result>::all_to_all(ConstBuffer in, Buffer out, core::Stream& after,
                                           Site site) {
  return all_to_all_v(std::move(in), std::move(out), {}, {}, after, site);
}

template <class Result>
Result CollectiveCalls<Result>::all_to_all_v(ConstBuffer in, Buffer out, Counts sent,
                                             Counts received, core::Stream& after, Site site) {
  Call call = movement(Op::all_to_all, std::move(in), std::move(out), 0, sent, site);
  call.received.assign(received.begin(), received.end());
  return submit(std::move(call), after);
}

template <class Result>
Result CollectiveCalls<Result>::broadcast(Buffer data, int root, core::Stream& after, Site site) {
  Call call{.op = Op::broadcast, .root = root, .in = {}, .out = {}, .site = site};
  call.out = std::move(data);
  return submit(std::move(call), after);
}

template <class Result>
Result CollectiveCalls<Result>::send(ConstBuffer data, int peer, core::Stream& after, Site site) {
  Buffer out = nothing_like(data);
  return submit(movement(Op::send, std::move(data), std::move(out), peer, {}, site), after);
}

template <class Result>
Result CollectiveCalls<Result>::receive(Buffer data, int peer, core::Stream& after, Site site) {
  Call call{.op = Op::receive, .root = peer, .in = {}, .out = {}, .site = site};
  call.out = std::move(data);
  return submit(std::move(call), after);
}

template class CollectiveCalls<Work>;
template class CollectiveCalls<void>;

}  // namespace lockstep::comm
