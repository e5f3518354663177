#include "lockstep/comm/communicator.h"

#include <fmt/format.h>

#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "lockstep/base/config.h"
#include "src/comm/check.h"
#include "src/comm/flight.h"

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

}  // namespace

Communicator::Communicator(Membership member)
    : member_(std::move(member)),
      timeout_(std::chrono::seconds(integer_setting("LOCKSTEP_TIMEOUT", 300, 1, 1'000'000))),
      polls_before_yield_(patience_of(member_.local_size)) {}

Communicator::~Communicator() {
  for (auto& flight : in_flight_) {
    flight->home = nullptr;
    keep_for_ever(std::move(flight));
  }
}

Work Communicator::all_reduce(core::ConstBuffer in, core::Buffer out, Reduce op,
                              core::Stream& after, Site site) {
  return run({.op = Op::all_reduce,
              .reduce = op,
              .shards = size(),
              .in = {std::move(in)},
              .out = std::move(out),
              .site = site},
             after);
}

Work Communicator::all_reduce(Partials in, core::Buffer out, Reduce op, core::Stream& after,
                              Site site) {
  return run({.op = Op::all_reduce,
              .reduce = op,
              .shards = in.shards,
              .in = {in.nodes.begin(), in.nodes.end()},
              .out = std::move(out),
              .site = site},
             after);
}

Work Communicator::reduce_scatter(core::ConstBuffer in, core::Buffer out, Reduce op,
                                  core::Stream& after, Site site) {
  return run({.op = Op::reduce_scatter,
              .reduce = op,
              .shards = size(),
              .in = {std::move(in)},
              .out = std::move(out),
              .site = site},
             after);
}

Work Communicator::all_gather(core::ConstBuffer in, core::Buffer out, core::Stream& after,
                              Site site) {
  return run({.op = Op::all_gather, .in = {std::move(in)}, .out = std::move(out), .site = site},
             after);
}

Work Communicator::broadcast(core::Buffer data, int root, core::Stream& after, Site site) {
  return run({.op = Op::broadcast, .root = root, .in = {}, .out = std::move(data), .site = site},
             after);
}

void Communicator::barrier(Site site) {
  core::Stream host;
  run({.op = Op::barrier, .in = {}, .out = {}, .site = site}, host).wait();
}

Work Communicator::run(Call call, core::Stream& after) {
  refuse_if_poisoned(call);
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
  call.sequence = ++sequence_;
  record_.start(call);
  auto flight = std::make_shared<Work::Flight>();
  flight->home = this;
  flight->calls.push_back(std::move(call));
  try {
    flight->state = start(flight->calls, after);
    in_flight_.push_back(flight);
    advance(*flight);
  } catch (...) {
    give_out_poison(cause_of_failure());
    throw;
  }
  if (flight->is_finished) in_flight_.pop_back();
  return Work(std::move(flight));
}

void Communicator::refuse_if_poisoned(const Call& call) const {
  lockstep::check<CommError>(
      !poison_,
      [&] {
        return Complaint{fmt::format("{} on a poisoned communicator; it failed before: {}",
                                     call.description(), poison_->problem()),
                         poisoned_fix, place(member_, call.out.device)};
      },
      call.site);
}

void Communicator::advance(Work::Flight& flight) {
  if (flight.state && !flight.state->advance()) return;
  flight.is_finished = true;
  for (const Call& call : flight.calls) record_.finish(call.sequence);
  flight.state.reset();
  flight.calls.clear();
}

void Communicator::poll() {
  if (poison_) return;
  try {
    for (const auto& flight : in_flight_) advance(*flight);
  } catch (...) {
    give_out_poison(cause_of_failure());
    throw;
  }
  std::erase_if(in_flight_, [](const auto& flight) { return flight->is_finished; });
}

void Communicator::wait(Work::Flight& flight) {
  const auto begin = Clock::now();
  for (int polls = 1; !flight.is_finished; ++polls) {
    refuse_if_poisoned(flight.calls.front());
    poll();
    if (flight.is_finished) return;
    if (polls >= polls_before_yield_) std::this_thread::yield();
    if (polls % polls_between_clock_reads != 0 || Clock::now() - begin < timeout_) continue;
    const Call& call = flight.calls.front();
    const CommError why(
        {fmt::format("{} not finished after {:g} s", call.description(), timeout_.count() / 1000.0),
         "a rank did not make this call, stopped or died: look at the other ranks' messages; where "
         "ranks are only slow, raise LOCKSTEP_TIMEOUT",
         place(member_, call.out.device)},
        call.site);
    give_out_poison(why);
    throw why;
  }
}

void Communicator::poison(const std::string& reason, Site site) noexcept {
  if (poison_) return;
  give_out_poison(CommError({reason, poisoned_fix, place(member_, {})}, site));
}

void Communicator::give_out_poison(const CommError& why) noexcept {
  if (poison_) return;
  poison_ = why;
  for (auto& flight : in_flight_) {
    keep_for_ever(std::move(flight));
  }
  in_flight_.clear();
  abort(why);
}

void Communicator::give_up(int exit_code) noexcept {
  poison(fmt::format("rank {} gave up with exit code {}", rank(), exit_code));
}

}  // namespace lockstep::comm
