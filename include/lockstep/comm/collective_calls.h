// The calls that a communicator starts and that a batch collects, declared once for both.
#pragma once

#include <cstdint>
#include <span>

#include "lockstep/comm/call.h"
#include "lockstep/comm/membership.h"
#include "lockstep/comm/reduce.h"
#include "lockstep/comm/work.h"
#include "lockstep/core/buffer.h"
#include "lockstep/core/stream.h"

namespace lockstep::comm {

// A rank's share of a sum over `shards` leaves: one partial per node of
// core::maximal_subtrees(core::shards_of(rank, size, shards)), in that order; none where the rank
// owns no shard.
struct Partials {
  std::span<const core::ConstBuffer> nodes;
  int shards = 1;
  // Not 0: the call belongs to a plan, see Communicator::begin_plan.
  std::uint64_t plan = 0;
};

using Counts = std::span<const std::int64_t>;

// Result is what each call gives: a Work, or nothing in a batch. Every rank makes the same calls;
// in the v-variants counts[r] elements belong to rank r, lie one rank after the other, and are the
// same on every rank (all_to_all_v apart).
template <class Result> class CollectiveCalls {
 public:
  // Every rank's `out` = the reduction of all ranks' `in`. In place: the same buffer twice.
  Result all_reduce(core::ConstBuffer in, core::Buffer out, Reduce op, core::Stream& after,
                    Site site = Site::current());
  // The same over a forest of partials, each of out.count elements; the bits do not depend on the
  // number of ranks. mean divides by in.shards. A partial may be `out`.
  Result all_reduce(Partials in, core::Buffer out, Reduce op, core::Stream& after,
                    Site site = Site::current());
  // The root's `out` = the reduction of all ranks' `in`; the others' `out` is not looked at. In
  // place: the same buffer twice.
  Result reduce(core::ConstBuffer in, core::Buffer out, Reduce op, int root, core::Stream& after,
                Site site = Site::current());
  // Rank r's `out` = the reduction of part r of all ranks' `in`; in.count = size * out.count.
  // In place: out.data is part r of in.
  Result reduce_scatter(core::ConstBuffer in, core::Buffer out, Reduce op, core::Stream& after,
                        Site site = Site::current());
  Result reduce_scatter_v(core::ConstBuffer in, core::Buffer out, Counts counts, Reduce op,
                          core::Stream& after, Site site = Site::current());
  // The same over a forest of partials, each of the sum of counts; `out` may be my part of one.
  Result reduce_scatter_v(Partials in, core::Buffer out, Counts counts, Reduce op,
                          core::Stream& after, Site site = Site::current());
  // Every rank's `out` = the ranks' `in`, one after the other; out.count = size * in.count.
  // In place: in.data is part r of out.
  Result all_gather(core::ConstBuffer in, core::Buffer out, core::Stream& after,
                    Site site = Site::current());
  Result all_gather_v(core::ConstBuffer in, core::Buffer out, Counts counts, core::Stream& after,
                      Site site = Site::current());
  // As a call of a plan, see Communicator::begin_plan.
  Result all_gather_v(core::ConstBuffer in, core::Buffer out, Counts counts, core::Stream& after,
                      std::uint64_t plan, Site site = Site::current());
  // The root's `out` = the ranks' `in`, one after the other; the others' `out` is not looked at.
  // In place: the root's in.data is its part of out.
  Result gather(core::ConstBuffer in, core::Buffer out, int root, core::Stream& after,
                Site site = Site::current());
  Result gather_v(core::ConstBuffer in, core::Buffer out, Counts counts, int root,
                  core::Stream& after, Site site = Site::current());
  // Rank r's `out` = part r of the root's `in`; the others' `in` is not looked at. In place: the
  // root's out.data is its part of in.
  Result scatter(core::ConstBuffer in, core::Buffer out, int root, core::Stream& after,
                 Site site = Site::current());
  Result scatter_v(core::ConstBuffer in, core::Buffer out, Counts counts, int root,
                   core::Stream& after, Site site = Site::current());
  // Part q of rank r's `out` = part r of rank q's `in`; parts are equal, one for each rank. In
  // place: the same memory twice, through a copy of `in`.
  Result all_to_all(core::ConstBuffer in, core::Buffer out, core::Stream& after,
                    Site site = Site::current());
  // sent[q] elements go to rank q, received[q] come from it: what q's sent says of this rank.
  Result all_to_all_v(core::ConstBuffer in, core::Buffer out, Counts sent, Counts received,
                      core::Stream& after, Site site = Site::current());
  // `data` of rank `root`, on every rank.
  Result broadcast(core::Buffer data, int root, core::Stream& after, Site site = Site::current());
  // `data` to the rank `peer`, which receives the same count and dtype. The messages from one rank
  // to another arrive in the order of their calls, whatever else is called between.
  Result send(core::ConstBuffer data, int peer, core::Stream& after, Site site = Site::current());
  Result receive(core::Buffer data, int peer, core::Stream& after, Site site = Site::current());

 protected:
  ~CollectiveCalls() = default;

 private:
  virtual Result submit(Call call, core::Stream& after) = 0;
  virtual const Membership& membership() const = 0;
};

extern template class CollectiveCalls<Work>;
extern template class CollectiveCalls<void>;

}  // namespace lockstep::comm
