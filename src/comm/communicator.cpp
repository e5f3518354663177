#include "lockstep/comm/communicator.h"

#include <fmt/format.h>

#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "lockstep/base/timeout.h"
#include "lockstep/kernels/recorder.h"
#include "src/comm/check.h"
#include "src/comm/family.h"
#include "src/comm/flight.h"
#include "src/comm/flight_recorder.h"
#include "src/comm/flight_registry.h"
#include "src/comm/peer_failure.h"
#include "src/comm/watchdog.h"

namespace lockstep::comm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int polls_between_clock_reads = 64;

// How often a wait polls before it gives its core away after each poll. Where every rank has a
// core, giving it away only makes the hand-off late.
int patience_of(int local_size) {
  const auto cores = static_cast<int>(std::thread::hardware_concurrency());
  return local_size > cores ? 16 : 8192;
}

constexpr auto poisoned_fix =
    "see the first failure above; a poisoned communicator cannot be used again: restart the job";

// Peers may still read or write the memory of a flight that will never finish.
void keep_for_ever(std::shared_ptr<void> flight) {
  static std::mutex mutex;
  static auto& kept = *new std::vector<std::shared_ptr<void>>;
  const std::lock_guard lock(mutex);
  kept.push_back(std::move(flight));
}

// The exception being handled, whatever it is (a fold may fail too), as what poisons a
// communicator.
CommError cause_of_failure() {
  try {
    throw;
  } catch (const CommError& error) {
    return error;
  } catch (const Error& error) {
    return CommError({error.problem(), error.fix(), error.where()});
  } catch (const std::exception& error) {
    return CommError({error.what(), "mend what this message complains about"});
  } catch (...) {
    return CommError({"a collective threw something that is not a std::exception", poisoned_fix});
  }
}

// As far as this process sees the others' records, or their watchdogs tell.
std::string who_keeps(const Call& call, const Membership& member, const FlightRecord& record) {
  const Question question{.group = member.group.id,
                          .sequence = call.sequence,
                          .peer = is_point_to_point(call.op) ? call.root : -1,
                          .transport = member.transport};
  const auto team = team_of(record);
  if (!team.empty()) return diagnosis(team, question);
  std::string who;
  if (Watchdog* const watchdog = Watchdog::current()) who = watchdog->missing(question);
  if (!who.empty()) return who;
  return "a rank did not make this call, stopped or died: look at the other ranks' messages";
}

}  // namespace

Communicator::Communicator(Membership member)
    : member_(std::move(member)),
      timeout_(timeout_setting()),
      polls_before_yield_(patience_of(member_.local_size)),
      record_(FlightRecord::usual_capacity, member_.group.id),
      family_(std::make_shared<Family>()) {
  family_->members.push_back(this);
  register_flights(member_, record_);
}

Communicator::~Communicator() {
  unregister_flights(record_);
  {
    const std::lock_guard lock(family_->mutex);
    std::erase(family_->members, this);
  }
  for (auto& flight : in_flight_) {
    flight->home = nullptr;
    keep_for_ever(std::move(flight));
  }
}

void Batch::submit(Call call, core::Stream& after) {
  if (after_ != nullptr && after_ != &after) after.wait();  // a batch starts after one stream
  after_ = &after;
  calls_.push_back(std::move(call));
}

Work Communicator::batch(const std::function<void(Batch&)>& calls, Site site) {
  refuse_if_poisoned("batch", site);
  Batch batch(member_);
  calls(batch);
  if (batch.calls_.empty()) return {};
  return run(std::move(batch.calls_), *batch.after_);
}

void Communicator::barrier(Site site) {
  core::Stream host;
  submit({.op = Op::barrier, .in = {}, .out = {}, .site = site}, host).wait();
}

core::Memory Communicator::allocate(std::size_t bytes) {
  return core::allocator({}).allocate(bytes);
}

Work Communicator::submit(Call call, core::Stream& after) {
  std::vector<Call> calls;
  calls.push_back(std::move(call));
  return run(std::move(calls), after);
}

Work Communicator::run(std::vector<Call> calls, core::Stream& after) {
  kernels::check_unrecorded("a collective", "the ranks would take part in it only once");
  for (const Call& call : calls) examine(call);
  auto flight = std::make_shared<Work::Flight>();
  flight->home = this;
  flight->calls = std::move(calls);
  for (Call& call : flight->calls) number(call);
  // All of a batch have entries one after the other.
  for (const Call& call : flight->calls) flight->last_entry = record_.start(call);
  try {
    flight->state = start(flight->calls, after);
    in_flight_.push_back(flight);
    advance(*flight);
  } catch (...) {
    give_out_poison(cause_of_failure(), FailureKind::call);
    throw;
  }
  if (flight->is_finished) in_flight_.pop_back();
  return Work(std::move(flight));
}

void Communicator::examine(const Call& call) const {
  if (poison_) refuse_if_poisoned(call.description(), call.site);
  check_arguments(call, member_);
  lockstep::check<DeviceError>(
      serves(call.out.device),
      [&] {
        return Complaint{
            fmt::format("{}: transport {} does not move memory of {}", call.description(),
                        member_.transport, name_of(call.out.device)),
            "move the data to the cpu first", place(member_, call.out.device)};
      },
      call.site);
}

void Communicator::number(Call& call) {
  if (is_point_to_point(call.op)) {
    auto& messages = call.op == Op::send ? sent_ : received_;
    messages.resize(static_cast<std::size_t>(size()));
    call.sequence = ++messages[static_cast<std::size_t>(call.root)];
    return;
  }
  call.sequence = ++sequence_;
  if (call.plan == 0) return;
  call.is_checked = call.plan == unchecked_plan_;
  if (call.is_checked) unchecked_plan_ = 0;
}

void Communicator::refuse_if_poisoned(const std::string& what, Site site) const {
  lockstep::check<ConsequentError>(
      !poison_,
      [&] {
        return Complaint{fmt::format("{} on a poisoned communicator; it failed before: {}", what,
                                     poison_->problem()),
                         poisoned_fix, place(member_, {})};
      },
      site);
}

void Communicator::advance(Work::Flight& flight) {
  if (flight.state && !flight.state->advance()) return;
  flight.is_finished = true;
  const std::uint64_t first_entry = flight.last_entry - flight.calls.size() + 1;
  for (std::uint64_t entry = first_entry; entry <= flight.last_entry; ++entry)
    record_.finish(entry);
  flight.state.reset();
  flight.calls.clear();
}

void Communicator::poll() {
  if (poison_) return;
  try {
    for (const auto& flight : in_flight_) advance(*flight);
  } catch (...) {
    give_out_poison(cause_of_failure(), FailureKind::call);
    throw;
  }
  std::erase_if(in_flight_, [](const auto& flight) { return flight->is_finished; });
}

void Communicator::wait(Work::Flight& flight) {
  const auto begin = Clock::now();
  for (int polls = 1; !flight.is_finished; ++polls) {
    const Call& call = flight.calls.front();
    if (poison_) refuse_if_poisoned(call.description(), call.site);
    poll();
    if (flight.is_finished) return;
    if (polls >= polls_before_yield_) rest();
    if (polls % polls_between_clock_reads != 0 || Clock::now() - begin < timeout_) continue;
    const std::string elsewhere = call_elsewhere();
    if (elsewhere.empty() && Clock::now() - begin < timeout_ + precedence()) continue;
    const CommError why = deadline_error(call, elsewhere);
    give_out_poison(why, FailureKind::call);
    throw why;
  }
}

void Communicator::rest() { std::this_thread::yield(); }

// Ranks that wait for each other in different groups meet nowhere, so what they wait in is looked
// for in the other communicators.
std::string Communicator::call_elsewhere() {
  const std::lock_guard lock(family_->mutex);
  for (Communicator* other : family_->members) {
    if (other == this) continue;
    std::string call = other->unanswered_call();
    if (!call.empty()) return call;
  }
  return {};
}

// Where there are groups, a rank that can say more speaks first.
std::chrono::milliseconds Communicator::precedence() const {
  const std::lock_guard lock(family_->mutex);
  return std::chrono::milliseconds(family_->members.size() > 1 ? 200 : 0);
}

CommError Communicator::deadline_error(const Call& call, const std::string& elsewhere) const {
  std::string what =
      fmt::format("{} not finished after {:g} s", call.description(), timeout_.count() / 1000.0);
  std::string fix;
  if (!elsewhere.empty()) {
    what += fmt::format("; meanwhile {}, which rank {} of {} has not called", elsewhere, rank(),
                        name_of(member_.group));
    fix = "call on the same communicator on every rank, in the same order";
  } else {
    fix = who_keeps(call, member_, record_) + "; where ranks are only slow, raise LOCKSTEP_TIMEOUT";
  }
  return CommError({std::move(what), fix, place(member_, call.out.device)}, call.site);
}

void Communicator::poison(const std::string& reason, Site site) noexcept {
  if (poison_) return;
  give_out_poison(CommError({reason, poisoned_fix, place(member_, {})}, site), FailureKind::own);
}

void Communicator::give_out_poison(const CommError& why, FailureKind kind) noexcept {
  if (poison_) return;
  poison_ = why;
  if (Watchdog* const watchdog = Watchdog::current()) watchdog->suspect(why.what());
  for (auto& flight : in_flight_) {
    keep_for_ever(std::move(flight));
  }
  in_flight_.clear();
  abort(why);
  record_failure(kind, why.what());
}

void Communicator::give_up(int exit_code) noexcept {
  poison(fmt::format("rank {} gave up with exit code {}", rank(), exit_code));
}

}  // namespace lockstep::comm
