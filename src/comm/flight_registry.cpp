#include "src/comm/flight_registry.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <string_view>

namespace lockstep::comm {
namespace {

struct Known {
  Membership member;
  const FlightRecord* record = nullptr;
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

std::string host_name() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace

void register_flights(const Membership& member, const FlightRecord& record) {
  const std::lock_guard lock(registry().mutex);
  registry().known.push_back({member, &record});
}

void unregister_flights(const FlightRecord& record) noexcept {
  const std::lock_guard lock(registry().mutex);
  std::erase_if(registry().known, [&](const Known& each) { return each.record == &record; });
}

RankStatus own_status() {
  RankStatus status{.host = host_name(), .pid = getpid(), .activity = {}, .groups = {}};
  const std::lock_guard lock(registry().mutex);
  for (const Known& each : registry().known) status.groups.push_back(status_of(each));
  return status;
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
  std::string_view file = entry.site.file_name();
  file.remove_prefix(file.find_last_of('/') + 1);
  return fmt::format("{} at {}:{}", call.description(), file, entry.site.line());
}

}  // namespace lockstep::comm
