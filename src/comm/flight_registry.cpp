#include "src/comm/flight_registry.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <string_view>

#include "lockstep/obs/activity.h"
#include "lockstep/obs/trace.h"
#include "src/comm/signature.h"

namespace lockstep::comm {
namespace {

// "train.cpp:118"
std::string site_of(const FlightEntry& entry) {
  std::string_view file = entry.site.file_name();
  file.remove_prefix(file.find_last_of('/') + 1);
  return fmt::format("{}:{}", file, entry.site.line());
}

// What every rank that makes this call says of it, but for messages: "all_reduce #41 (sum, f32 x
// 10)".
std::string agreed_description(const FlightEntry& entry) {
  Signature signature;
  signature.sequence = entry.sequence;
  signature.op = entry.op;
  signature.reduce = entry.reduce;
  signature.dtype = entry.dtype;
  signature.count = entry.agreed;
  signature.root = entry.root;
  signature.is_v = entry.is_v ? 1 : 0;
  std::string text = call_of(signature);
  if (is_point_to_point(entry.op))
    text += fmt::format(" {} rank {}", entry.op == Op::send ? "to" : "from", entry.root);
  return text;
}

struct Known {
  Membership member;
  const FlightRecord* record = nullptr;
  const void* team = nullptr;
};

// Never destroyed: a watchdog may look while the process ends.
struct Registry {
  std::mutex mutex;
  std::vector<Known> known;
};
Registry& registry() {
  static auto& made = *new Registry;
  return made;
}

GroupStatus status_of(const Known& known) {
  GroupStatus status{.group = known.member.group.id,
                     .transport = known.member.transport,
                     .rank = known.member.rank,
                     .collective = known.record->last_collective(),
                     .last = {}};
  const auto latest = known.record->latest();
  if (!latest) return status;
  status.is_finished = latest->is_finished;
  const auto since = latest->is_finished ? latest->finished : latest->started;
  status.age_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(FlightEntry::Clock::now() - since)
          .count();
  status.last = description(*latest);
  if (!known.member.group.name.empty()) status.last += " in " + known.member.group.name;
  return status;
}

// Seconds of the system's clock, which other processes' files have too.
double system_time(FlightEntry::Clock::time_point at) {
  const auto since = FlightEntry::Clock::now() - at;
  const auto then = std::chrono::system_clock::now().time_since_epoch() - since;
  return std::chrono::duration<double>(then).count();
}

FlightCall call_of(const FlightEntry& entry) {
  FlightCall call{.sequence = entry.sequence,
                  .is_message = is_point_to_point(entry.op),
                  .call = agreed_description(entry),
                  .site = site_of(entry),
                  .started = system_time(entry.started),
                  .finished = {}};
  if (entry.is_finished) call.finished = system_time(entry.finished);
  return call;
}

std::string host_name() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace

void register_flights(const Membership& member, const FlightRecord& record) {
  const std::lock_guard lock(registry().mutex);
  registry().known.push_back({.member = member, .record = &record});
}

void unregister_flights(const FlightRecord& record) noexcept {
  const std::lock_guard lock(registry().mutex);
  std::erase_if(registry().known, [&](const Known& each) { return each.record == &record; });
}

void join_team(const FlightRecord& record, const void* team) {
  const std::lock_guard lock(registry().mutex);
  for (Known& each : registry().known)
    if (each.record == &record) each.team = team;
}

std::vector<RankView> team_of(const FlightRecord& record) {
  const std::lock_guard lock(registry().mutex);
  const auto& known = registry().known;
  const auto own = std::find_if(known.begin(), known.end(),
                                [&](const Known& each) { return each.record == &record; });
  if (own == known.end() || own->team == nullptr) return {};
  RankView gone;
  gone.has_left = true;
  std::vector<RankView> views(static_cast<std::size_t>(own->member.size), gone);
  for (const Known& each : known) {
    if (each.team != own->team) continue;
    RankView& view = views[static_cast<std::size_t>(each.member.rank)];
    view.has_left = false;
    view.status.groups.push_back(status_of(each));
  }
  return views;
}

RankStatus own_status() {
  const obs::CurrentActivity activity = obs::current_activity();
  RankStatus status{.host = host_name(),
                    .pid = getpid(),
                    .activity = activity.name,
                    .activity_ms = (obs::trace_now() - activity.since) / 1'000'000,
                    .groups = {}};
  const std::lock_guard lock(registry().mutex);
  for (const Known& each : registry().known) status.groups.push_back(status_of(each));
  return status;
}

std::vector<FlightGroup> own_flights() {
  std::vector<FlightGroup> groups;
  const std::lock_guard lock(registry().mutex);
  for (const Known& each : registry().known) {
    FlightGroup group{.id = each.member.group.id,
                      .name = each.member.group.name,
                      .transport = each.member.transport,
                      .rank = each.member.rank,
                      .size = each.member.size,
                      .calls = {}};
    for (const FlightEntry& entry : each.record->entries()) group.calls.push_back(call_of(entry));
    groups.push_back(std::move(group));
  }
  return groups;
}

std::string description(const FlightEntry& entry) {
  Call call{.op = entry.op,
            .reduce = entry.reduce,
            .root = entry.root,
            .in = {},
            .out = {},
            .counts = {},
            .received = {},
            .sequence = entry.sequence};
  call.out.count = entry.count;
  call.out.dtype = entry.dtype;
  return fmt::format("{} at {}", call.description(), site_of(entry));
}

}  // namespace lockstep::comm
