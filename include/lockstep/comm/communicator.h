// Collectives among the ranks of a job, over whichever transport joins them.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lockstep/base/error.h"
#include "lockstep/comm/call.h"
#include "lockstep/comm/flight_record.h"
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
};

// Who a communicator's rank is; what a transport passes to the base class.
struct Membership {
  int rank = 0;
  int size = 1;
  std::string transport;  // "mpi"
  int local_rank = 0;     // among the ranks of the same host
  int local_size = 1;
};

// All ranks make the same calls in the same order; one thread at a time uses a communicator. A call
// starts after what is queued on `after`; memory must stay valid until the Work is done (`keep` in
// a buffer sees to that). Every reduction adds along the one fixed tree of core/shard.h over its
// leaves, so its bits depend neither on the transport nor on timing. Wrong arguments throw before
// anything is sent.
class Communicator {
 public:
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  virtual ~Communicator();

  int rank() const { return member_.rank; }
  int size() const { return member_.size; }
  int local_rank() const { return member_.local_rank; }
  int local_size() const { return member_.local_size; }
  std::string_view transport() const { return member_.transport; }

  // Every rank's `out` = the reduction of all ranks' `in`. In place: the same buffer twice.
  Work all_reduce(core::ConstBuffer in, core::Buffer out, Reduce op, core::Stream& after,
                  Site site = Site::current());
  // The same over a forest of partials, each of out.count elements; the bits do not depend on the
  // number of ranks. mean divides by in.shards. A partial may be `out`.
  Work all_reduce(Partials in, core::Buffer out, Reduce op, core::Stream& after,
                  Site site = Site::current());
  // Rank r's `out` = the reduction of part r of all ranks' `in`; in.count = size * out.count.
  // In place: out.data is part r of in.
  Work reduce_scatter(core::ConstBuffer in, core::Buffer out, Reduce op, core::Stream& after,
                      Site site = Site::current());
  // Every rank's `out` = the ranks' `in`, one after the other; out.count = size * in.count.
  // In place: in.data is part r of out.
  Work all_gather(core::ConstBuffer in, core::Buffer out, core::Stream& after,
                  Site site = Site::current());
  // `data` of rank `root`, on every rank.
  Work broadcast(core::Buffer data, int root, core::Stream& after, Site site = Site::current());
  // Returns when every rank has called it.
  void barrier(Site site = Site::current());

  // Moves everything in flight on, without blocking. Call it between pieces of other work: a
  // transport without threads of its own makes progress here, in done() and in wait() only.
  void poll();

  // How long a wait may last before it throws; LOCKSTEP_TIMEOUT (300 s) at the start.
  void use_timeout(std::chrono::milliseconds timeout) { timeout_ = timeout; }
  // After a failed wait: every later call throws at once, naming the first failure. Memory in
  // flight is never freed.
  bool is_poisoned() const { return poison_.has_value(); }
  // Makes this communicator unusable, here and (where the transport can tell them) on its other
  // ranks.
  void poison(const std::string& reason, Site site = Site::current()) noexcept;
  // Ends the other ranks because this one cannot go on; over mpi it ends this process too, with
  // `exit_code`.
  virtual void give_up(int exit_code) noexcept;

  const FlightRecord& flight_record() const { return record_; }

 protected:
  explicit Communicator(Membership member);
  const Membership& membership() const { return member_; }

  // All that a transport writes. `calls` are checked and numbered; the state lives until it is
  // finished.
  virtual std::unique_ptr<Work::State> start(std::span<const Call> calls, core::Stream& after) = 0;
  // Withdraws what is in flight, as far as the transport can, and tells the peers, if it can.
  virtual void abort(const CommError& why) noexcept = 0;
  virtual bool serves(Device device) const { return device.type == DeviceType::cpu; }

 private:
  friend class Work;

  // The one door: checks, numbers, records, starts.
  Work run(Call call, core::Stream& after);
  void refuse_if_poisoned(const Call& call) const;
  void wait(Work::Flight& flight);
  void advance(Work::Flight& flight);
  void give_out_poison(const CommError& why) noexcept;

  Membership member_;
  std::chrono::milliseconds timeout_;
  int polls_before_yield_;
  std::uint64_t sequence_ = 0;
  std::vector<std::shared_ptr<Work::Flight>> in_flight_;
  std::optional<CommError> poison_;
  FlightRecord record_;
};

}  // namespace lockstep::comm
