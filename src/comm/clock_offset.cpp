#include "src/comm/clock_offset.h"

#include <unistd.h>

#include <array>
#include <cstddef>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

namespace lockstep::comm {
namespace {

constexpr int exchanges = 20;

core::Buffer buffer_of(std::int64_t* values, std::size_t count) {
  return {values, static_cast<std::int64_t>(count), DType::i64, {}, {}};
}

void send(Communicator& ranks, int peer, std::array<std::int64_t, 2> values) {
  ranks.send(buffer_of(values.data(), values.size()), peer, core::current_stream({})).wait();
}

std::array<std::int64_t, 2> receive(Communicator& ranks, int peer) {
  std::array<std::int64_t, 2> values{};
  ranks.receive(buffer_of(values.data(), values.size()), peer, core::current_stream({})).wait();
  return values;
}

std::vector<std::int64_t> clocks_of_all(Communicator& ranks, const Clock& clock) {
  auto own = static_cast<std::int64_t>(clock.identity);
  std::vector<std::int64_t> all(static_cast<std::size_t>(ranks.size()));
  ranks.all_gather(buffer_of(&own, 1), buffer_of(all.data(), all.size()), core::current_stream({}))
      .wait();
  return all;
}

// Rank 0's part with one other rank.
ClockOffset measure(Communicator& ranks, int peer, const Clock& clock) {
  ClockOffset best{0, std::numeric_limits<std::int64_t>::max()};
  for (int i = 0; i < exchanges; ++i) {
    const std::int64_t begin = clock.now();
    send(ranks, peer, {});
    const std::int64_t theirs = receive(ranks, peer)[0];
    const std::int64_t half = (clock.now() - begin + 1) / 2;
    if (half < best.error) best = {theirs - (begin + half), half};
  }
  return best;
}

void answer(Communicator& ranks, const Clock& clock) {
  for (int i = 0; i < exchanges; ++i) {
    receive(ranks, 0);
    send(ranks, 0, {clock.now(), 0});
  }
}

}  // namespace

std::uint64_t clock_of_this_machine() {
  std::string text;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> text;
  std::array<char, 64> name{};
  if (readlink("/proc/self/ns/time", name.data(), name.size() - 1) > 0) text += name.data();
  // Where the system tells neither, the host's name is the best guess.
  if (text.empty() && gethostname(name.data(), name.size() - 1) == 0) text = name.data();
  return std::hash<std::string>{}(text);
}

ClockOffset offset_from_rank_0(Communicator& ranks, const Clock& clock) {
  const std::vector<std::int64_t> clocks = clocks_of_all(ranks, clock);
  if (ranks.rank() != 0) {
    if (clocks[static_cast<std::size_t>(ranks.rank())] == clocks[0]) return {};
    answer(ranks, clock);
    const auto [offset, error] = receive(ranks, 0);
    return {offset, error};
  }
  for (int peer = 1; peer < ranks.size(); ++peer) {
    if (clocks[static_cast<std::size_t>(peer)] == clocks[0]) continue;
    const ClockOffset found = measure(ranks, peer, clock);
    send(ranks, peer, {found.nanoseconds, found.error});
  }
  return {};
}

}  // namespace lockstep::comm
