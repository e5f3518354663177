// What the ranks did before a failure, as files that outlive them: one of JSON lines a process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::comm {

// Times are seconds of the system's clock since 1970.
struct FlightCall {
  std::uint64_t sequence = 0;
  bool is_message = false;  // numbered for its pair of ranks
  std::string call;         // "all_reduce #41 (sum, f32 x 10)", the same on all ranks
  std::string site;         // "train.cpp:118"
  double started = 0;
  std::optional<double> finished;
};

// A communicator of the process; several where its ranks are threads.
struct FlightGroup {
  std::uint64_t id = 0;
  std::string name;  // empty: all ranks of the job
  std::string transport;
  int rank = 0;  // within the group
  int size = 1;
  std::vector<FlightCall> calls;  // the newest, oldest first
};

enum class FailureKind : std::uint8_t {
  own,    // an exception, or a decision, of the process itself
  call,   // a call that did not finish
  others  // another rank's failure ended it
};

struct Failure {
  FailureKind kind = FailureKind::own;
  double time = 0;
  std::string why;
};

struct Flight {
  int rank = -1;  // -1: it failed before it knew
  int size = 0;
  std::string host;
  int pid = 0;
  std::string activity;  // what it was in; empty: nothing that has a name
  std::vector<Failure> failures;
  std::vector<FlightGroup> groups;
};

std::string encoded(const Flight& flight);
// The inverse. IoError that names `file` where the text is no flight, is cut off, or is another
// version's.
Flight flight_from(std::string_view text, const std::filesystem::path& file);

}  // namespace lockstep::comm
