#include "src/comm/shm_meeting.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace lockstep::comm {
namespace {

void note_trouble(char (&place)[512], const std::string& text) {
  std::strncpy(place, text.c_str(), sizeof place - 1);
}

}  // namespace

std::vector<SharedSegment> ShmMeeting::share(std::size_t bytes, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  std::uint64_t all_bytes = 0;
  for (const Note& note : exchange({.bytes = bytes}, deadline)) all_bytes += note.bytes;
  Note own{.bytes = bytes};
  SharedSegment segment;
  try {
    require_memory(all_bytes, fmt::format("memory of {} ranks", size_), available_memory());
    if (bytes > 0) segment = std::make_shared<ShmSegment>(ShmSegment::made(bytes));
  } catch (const Error& error) {
    own.bytes = 0;
    note_trouble(own.trouble, error.problem());
  }
  std::vector<Note> notes;
  std::vector<SharedSegment> all = exchange(own, segment, notes, deadline);
  if (segment) segment->forget_descriptor();
  for (std::size_t rank = 0; rank < notes.size(); ++rank) {
    check<DeviceError>(notes[rank].trouble[0] == 0, [&] {
      return Complaint{fmt::format("rank {}: {}", rank, notes[rank].trouble),
                       "use a smaller model, fewer ranks on this host, or free memory on it"};
    });
    check<CommError>(notes[rank].bytes == 0 || all[rank] != nullptr, [&] {
      return Complaint{fmt::format("shared memory: the memory of rank {} did not arrive", rank),
                       "raise the limit of open files (ulimit -n)"};
    });
  }
  return all;
}

}  // namespace lockstep::comm
