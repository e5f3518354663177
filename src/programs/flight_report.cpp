#include "src/programs/flight_report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace lockstep::programs {
namespace {

using comm::Failure;
using comm::FailureKind;
using comm::Flight;
using comm::FlightCall;
using comm::FlightGroup;

// A rank of a communicator, as its process left it.
struct Member {
  const Flight* flight = nullptr;
  const FlightGroup* group = nullptr;
};
// The ranks of one communicator that left a file, by rank.
using Members = std::map<int, Member>;
// By group and transport: a job has a communicator for starting and a faster one for data.
using Communicators = std::map<std::pair<std::uint64_t, std::string>, Members>;

Communicators communicators_of(const std::vector<Flight>& flights) {
  Communicators all;
  for (const Flight& flight : flights) {
    for (const FlightGroup& group : flight.groups)
      all[{group.id, group.transport}][group.rank] = {&flight, &group};
  }
  return all;
}

std::string name_of(const Members& members) {
  const FlightGroup& group = *members.begin()->second.group;
  return group.name.empty() ? "the whole job" : group.name;
}

const FlightCall* last_collective(const Member& member) {
  const auto& calls = member.group->calls;
  const auto found = std::find_if(calls.rbegin(), calls.rend(),
                                  [](const FlightCall& call) { return !call.is_message; });
  return found == calls.rend() ? nullptr : &*found;
}

std::uint64_t progress_of(const Member& member) {
  const FlightCall* const last = last_collective(member);
  return last == nullptr ? 0 : last->sequence;
}

const FlightCall* call_numbered(const Member& member, std::uint64_t sequence) {
  for (const FlightCall& call : member.group->calls)
    if (!call.is_message && call.sequence == sequence) return &call;
  return nullptr;
}

std::string described(const FlightCall& call) {
  return fmt::format("{} at {}", call.call, call.site);
}

// "rank 3 (host a, pid 12)"
std::string described(const Flight& flight) {
  if (flight.rank < 0) return fmt::format("a process of host {}, pid {}", flight.host, flight.pid);
  return fmt::format("rank {} (host {}, pid {})", flight.rank, flight.host, flight.pid);
}

// The rank of the job, or that of the group where several ranks are threads of one process.
std::string name_of(const Member& member) {
  if (member.group->id == 0) return fmt::format("rank {}", member.group->rank);
  return fmt::format("rank {} of {}", member.group->rank, member.group->name);
}

std::string time_of(double seconds) {
  const auto whole = static_cast<std::time_t>(seconds);
  const auto milliseconds = static_cast<int>((seconds - static_cast<double>(whole)) * 1000);
  return fmt::format("{:%Y-%m-%d %H:%M:%S}.{:03} UTC", fmt::gmtime(whole), milliseconds);
}

std::string indented(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (auto at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 3))
    text.insert(at + 1, "  ");
  return "  " + text + "\n";
}

std::vector<int> without_file(const std::vector<Flight>& flights) {
  int size = 0;
  for (const Flight& flight : flights) size = std::max(size, flight.size);
  std::vector<int> missing;
  for (int rank = 0; rank < size; ++rank) {
    const bool has_file = std::any_of(flights.begin(), flights.end(),
                                      [&](const Flight& f) { return f.rank == rank; });
    if (!has_file) missing.push_back(rank);
  }
  return missing;
}

struct FirstFailure {
  const Flight* flight = nullptr;
  const Failure* failure = nullptr;
};

// Of those that are not the echo of another rank's, if there is one.
std::optional<FirstFailure> first_failure(const std::vector<Flight>& flights) {
  std::optional<FirstFailure> first;
  for (const Flight& flight : flights) {
    for (const Failure& failure : flight.failures) {
      const auto rank_of = [](const Failure& f) {
        return std::pair(f.kind == FailureKind::others, f.time);
      };
      if (!first || rank_of(failure) < rank_of(*first->failure)) first = {&flight, &failure};
    }
  }
  return first;
}

// The first call that two ranks made differently.
std::optional<std::string> mismatch_in(const Members& members) {
  for (const FlightCall& call : members.begin()->second.group->calls) {
    if (call.is_message) continue;
    for (const auto& [rank, member] : members) {
      const FlightCall* const other = call_numbered(member, call.sequence);
      if (other == nullptr || other->call == call.call) continue;
      return fmt::format("{} and {} differ: {} calls {}, {} calls {}",
                         name_of(members.begin()->second), name_of(member),
                         name_of(members.begin()->second), described(call), name_of(member),
                         described(*other));
    }
  }
  return std::nullopt;
}

// Who has not made the call that the others wait in.
std::optional<std::string> laggards_in(const Members& members) {
  std::uint64_t furthest = 0;
  const FlightCall* waited = nullptr;
  for (const auto& [rank, member] : members) {
    if (progress_of(member) <= furthest) continue;
    furthest = progress_of(member);
    waited = last_collective(member);
  }
  if (waited == nullptr || waited->finished) return std::nullopt;
  std::string text;
  const int size = members.begin()->second.group->size;
  for (int rank = 0; rank < size; ++rank) {
    const auto found = members.find(rank);
    if (found == members.end()) {
      text += fmt::format("{}rank {} of {} left no file", text.empty() ? "" : "; ", rank,
                          name_of(members));
      continue;
    }
    const Member& member = found->second;
    if (progress_of(member) == furthest) continue;
    const FlightCall* const last = last_collective(member);
    text += fmt::format(
        "{}{} never made {}; its last op was {}{}", text.empty() ? "" : "; ", name_of(member),
        described(*waited), last == nullptr ? "none" : described(*last),
        member.flight->activity.empty() ? "" : "; it was in " + member.flight->activity);
  }
  if (text.empty())
    return fmt::format("every rank made {}, and it did not finish: a slow rank or network",
                       described(*waited));
  return text;
}

std::string listed(const std::vector<int>& ranks) {
  return fmt::format("rank{} {}", ranks.size() == 1 ? "" : "s", fmt::join(ranks, ", "));
}

std::string culprit(const std::vector<Flight>& flights, const Communicators& communicators) {
  const auto first = first_failure(flights);
  if (first && first->failure->kind == FailureKind::own)
    return described(*first->flight) + ", which failed by itself";
  for (const auto& [key, members] : communicators)
    if (auto text = mismatch_in(members)) return *text;
  if (const auto missing = without_file(flights); !missing.empty())
    return listed(missing) + ", without a file: killed, stopped, or writing to another disk";
  for (const auto& [key, members] : communicators)
    if (auto text = laggards_in(members)) return *text;
  return "none: no rank waited for another";
}

std::string last_calls(const Communicators& communicators, double end) {
  std::string text;
  for (const auto& [key, members] : communicators) {
    text +=
        fmt::format("\nLast collective of each rank in {} over {}\n", name_of(members), key.second);
    for (const auto& [rank, member] : members) {
      const FlightCall* const last = last_collective(member);
      text += fmt::format("  {:<8} ", fmt::format("rank {}", rank));
      text += last == nullptr
                  ? "none"
                  : fmt::format("{}, {} {:.1f} s before the failure", described(*last),
                                last->finished ? "finished" : "started and not finished,",
                                std::max(0.0, end - last->finished.value_or(last->started)));
      text += '\n';
    }
  }
  return text;
}

// What a rank did later says nothing: the launcher makes a stopped one go on before it ends it.
void leave_out_calls_after(double time, std::vector<Flight>& flights) {
  for (Flight& flight : flights) {
    for (FlightGroup& group : flight.groups)
      std::erase_if(group.calls, [&](const FlightCall& call) { return call.started > time; });
  }
}

}  // namespace

std::string flight_report(std::vector<Flight> flights) {
  if (const auto first = first_failure(flights))
    leave_out_calls_after(first->failure->time, flights);
  const Communicators communicators = communicators_of(flights);
  const auto missing = without_file(flights);
  std::string text =
      fmt::format("Flight files of {} process{}", flights.size(), flights.size() == 1 ? "" : "es");
  text += missing.empty() ? "\n" : fmt::format("; none of {}\n", listed(missing));
  const auto first = first_failure(flights);
  if (first) {
    text += fmt::format("\nFirst failure: {}, {}\n{}", described(*first->flight),
                        time_of(first->failure->time), indented(first->failure->why));
  }
  text += last_calls(communicators, first ? first->failure->time : 0);
  return text + fmt::format("\nCulprit: {}\n", culprit(flights, communicators));
}

}  // namespace lockstep::programs
