// Collectives among the ranks of a job, over whichever transport joins them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lockstep/base/error.h"
#include "lockstep/comm/call.h"
#include "lockstep/comm/collective_calls.h"
#include "lockstep/comm/flight_record.h"
#include "lockstep/comm/membership.h"
#include "lockstep/comm/work.h"
#include "lockstep/core/buffer.h"
#include "lockstep/core/stream.h"

namespace lockstep::comm {

enum class FailureKind : std::uint8_t;  // for the flight files

// Calls that are started together, by Communicator::batch. They must not depend on each other.
class Batch final : public CollectiveCalls<void> {
 public:
  explicit Batch(const Membership& member) : member_(member) {}

 private:
  friend class Communicator;
  void submit(Call call, core::Stream& after) override;
  const Membership& membership() const override { return member_; }

  const Membership& member_;
  std::vector<Call> calls_;
  core::Stream* after_ = nullptr;
};

// All ranks make the same calls in the same order; one thread at a time uses a communicator. A call
// starts after what is queued on `after`; memory must stay valid until the Work is done (`keep` in
// a buffer sees to that). Every reduction adds along the one fixed tree of core/shard.h over its
// leaves, so its bits depend neither on the transport nor on timing. Wrong arguments throw before
// anything is sent.
class Communicator : public CollectiveCalls<Work> {
 public:
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  virtual ~Communicator();

  int rank() const { return member_.rank; }
  int size() const { return member_.size; }
  int local_rank() const { return member_.local_rank; }
  int local_size() const { return member_.local_size; }
  std::string_view transport() const { return member_.transport; }

  // Returns when every rank has called it.
  void barrier(Site site = Site::current());
  // Starts all calls that `calls` makes on the Batch as one Work. Sends and receives of both
  // directions in one batch cannot wait for each other. Nothing is started where `calls` throws.
  Work batch(const std::function<void(Batch&)>& calls, Site site = Site::current());

  // A communicator for the ranks that give the same color, in the order of (key, rank). Collective;
  // a rank with a negative color takes no part and gets nullptr. It lives apart from this one,
  // which may go before it.
  std::unique_ptr<Communicator> split(int color, int key, Site site = Site::current());

  // Memory that this transport moves fastest. All ranks call it in the same order; sizes may
  // differ.
  virtual core::Memory allocate(std::size_t bytes);

  // The calls that carry `plan` (not 0) from here on are one agreed sequence: only the first of
  // them is checked, against the hash.
  void begin_plan(std::uint64_t plan) { unchecked_plan_ = plan; }

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
  const Membership& membership() const override { return member_; }
  std::chrono::milliseconds timeout() const { return timeout_; }

  // What a transport writes. `calls` are checked and numbered; the state lives until it is
  // finished.
  virtual std::unique_ptr<Work::State> start(std::span<const Call> calls, core::Stream& after) = 0;
  // Withdraws what is in flight, as far as the transport can, and tells the peers, if it can.
  virtual void abort(const CommError& why) noexcept = 0;
  // A pause between two polls of a wait that has lasted a while.
  virtual void rest();
  // The communicator of those of this one's ranks, whose entry `index` this rank is; nullptr where
  // there are none. Every rank calls it at the same time.
  virtual std::unique_ptr<Communicator> subset(std::span<const int> ranks, int index,
                                               const Group& group) = 0;
  // "rank 1 of split #2, color 0 calls all_reduce #1 (sum, f32 x 10) at train.cpp:12": a call here
  // that another rank waits in and this one has not made, for the account of a deadline elsewhere.
  virtual std::string unanswered_call() { return {}; }
  virtual bool serves(Device device) const { return device.type == DeviceType::cpu; }

 private:
  friend class Work;
  struct Family;

  Work submit(Call call, core::Stream& after) override;
  // The one door: checks, numbers, records, starts.
  Work run(std::vector<Call> calls, core::Stream& after);
  void examine(const Call& call) const;
  void number(Call& call);
  void refuse_if_poisoned(const std::string& what, Site site) const;
  void wait(Work::Flight& flight);
  void advance(Work::Flight& flight);
  std::string call_elsewhere();
  std::chrono::milliseconds precedence() const;
  CommError deadline_error(const Call& call, const std::string& elsewhere) const;
  void give_out_poison(const CommError& why, FailureKind kind) noexcept;

  Membership member_;
  std::chrono::milliseconds timeout_;
  int polls_before_yield_;
  std::uint64_t sequence_ = 0;
  std::uint64_t unchecked_plan_ = 0;
  std::vector<std::uint64_t> sent_;  // messages to each rank, from the first one on
  std::vector<std::uint64_t> received_;
  std::vector<std::shared_ptr<Work::Flight>> in_flight_;
  std::optional<CommError> poison_;
  FlightRecord record_;
  std::shared_ptr<Family> family_;  // on this rank: this one and all that were split off
};

}  // namespace lockstep::comm
