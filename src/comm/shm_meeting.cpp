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

ShmMeeting::Shared ShmMeeting::share(const Offer& offer, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  std::vector<Note> wishes;
  exchange({.bytes = offer.bytes}, nullptr, wishes, deadline);
  std::uint64_t all_bytes = 0;
  for (const Note& wish : wishes) all_bytes += wish.bytes;
  Note own{.bytes = offer.bytes, .number = offer.number};
  SharedSegment segment;
  try {
    check<DeviceError>(offer.trouble.empty(), [&] { return Complaint{offer.trouble, ""}; });
    require_memory(all_bytes, fmt::format("memory of {} ranks", size_), available_memory());
    if (offer.bytes > 0) segment = std::make_shared<ShmSegment>(ShmSegment::made(offer.bytes));
  } catch (const Error& error) {
    own.bytes = 0;
    note_trouble(own.trouble, error.problem());
  }
  std::vector<Note> notes;
  Shared all{.of_rank = exchange(own, segment, notes, deadline), .number = 0};
  all.number = notes.front().number;
  if (segment) segment->forget_descriptor();
  for (std::size_t rank = 0; rank < notes.size(); ++rank) {
    check<DeviceError>(notes[rank].trouble[0] == 0, [&] {
      return Complaint{fmt::format("rank {}: {}", rank, notes[rank].trouble),
                       "use a smaller model, fewer ranks on this host, or free memory on it"};
    });
    check<CommError>(notes[rank].bytes == 0 || all.of_rank[rank] != nullptr, [&] {
      return Complaint{fmt::format("shared memory: the memory of rank {} did not arrive", rank),
                       "raise the limit of open files (ulimit -n)"};
    });
  }
  return all;
}

}  // namespace lockstep::comm
