// Who keeps a call that does not finish, told from what every rank says of itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::comm {

// How far a rank is in one communicator.
struct GroupStatus {
  std::uint64_t group = 0;
  std::string transport;
  int rank = 0;                  // within the group
  std::uint64_t collective = 0;  // the last one that it has started
  bool is_finished = false;      // the last call
  std::int64_t age_ms = 0;       // since the last call started, or finished
  std::string last;              // "all_reduce #41 (sum, f32 x 10) at train.cpp:118"; empty: none
};

struct RankStatus {
  std::string host;
  int pid = 0;
  std::string activity;  // what the program does between its calls: "loader.next"; empty: unknown
  std::int64_t activity_ms = 0;  // since when
  std::vector<GroupStatus> groups;
};

std::string encoded(const RankStatus& status);
// What cannot be read is left out.
RankStatus status_from(std::string_view text);

// What a waiting rank asks.
struct Question {
  std::uint64_t group = 0;
  std::uint64_t sequence = 0;
  int peer = -1;  // of a message, within the group; -1: a collective
  std::string transport;
};
std::string encoded(const Question& question);
std::optional<Question> question_from(std::string_view text);

// What the hub knows of a rank.
struct RankView {
  RankStatus status;
  std::chrono::milliseconds silence{0};  // since it was last heard
  char process = '?';                    // as in /proc/PID/stat; '?': on another host
  bool is_connected = false;
  bool has_left = false;
};

// "rank 9 (host b, pid 123, stopped) never arrived; its last op was all_reduce #41 (sum, f32 x 10)
// at train.cpp:118, 298 s ago"
std::string diagnosis(std::span<const RankView> ranks, const Question& question);
// "rank 9 (host b, pid 123, stopped)" and "its last op was ...".
std::string name_of(const RankView& view, int rank);
std::string last_op_of(const RankView& view);

// The third field of /proc/PID/stat, '?' where there is no such process.
char process_state(int pid);

}  // namespace lockstep::comm
