#include "src/comm/flight_recorder.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <future>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "lockstep/base/config.h"
#include "lockstep/base/error.h"
#include "lockstep/obs/activity.h"
#include "lockstep/obs/log.h"
#include "src/base/signals_blocked.h"
#include "src/comm/flight_registry.h"
#include "src/obs/file.h"

namespace lockstep::comm {
namespace {

namespace fs = std::filesystem;

// A folder of another machine may not answer, and a rank that fails must end all the same.
constexpr std::chrono::seconds time_to_write{1};
constexpr std::string_view suffix = ".flight.jsonl";

// What this process has noted so far. Never destroyed: a watchdog may fail while the process ends.
struct Notes {
  std::mutex mutex;
  int rank = -1;
  int size = 0;
  std::vector<Failure> failures;
};
Notes& notes() {
  static auto& made = *new Notes;
  return made;
}

std::optional<fs::path> flight_folder() {
  const auto folder = setting("LOCKSTEP_FLIGHT_DIR");
  if (!folder) return std::nullopt;
  return fs::path(*folder);
}

std::string file_name(int rank) {
  const std::string who =
      rank >= 0 ? fmt::format("rank{:05}", rank) : fmt::format("process{}", ::getpid());
  return who + std::string(suffix);
}

bool is_flight(const fs::path& file) { return file.filename().string().ends_with(suffix); }

// Left by an earlier job: a rank that this job does not have, or a process that never had one.
bool is_stale(const fs::path& file, int size) {
  const std::string name = file.filename().string();
  if (!is_flight(file)) return false;
  if (!name.starts_with("rank")) return name.starts_with("process");
  int rank = 0;
  std::from_chars(name.data() + 4, name.data() + name.size(), rank);
  return rank >= size;
}

Flight own_flight(const Notes& noted) {
  const RankStatus status = own_status();
  return {.rank = noted.rank,
          .size = noted.size,
          .host = status.host,
          .pid = status.pid,
          .activity = status.activity,
          .failures = noted.failures,
          .groups = own_flights()};
}

void write_down(const fs::path& folder, const Failure& failure) {
  Notes& noted = notes();
  try {
    const std::lock_guard lock(noted.mutex);
    noted.failures.push_back(failure);
    obs::replace_file(folder / file_name(noted.rank), encoded(own_flight(noted)));
  } catch (const std::exception& error) {
    obs::warning(fmt::format("the flight record is not written: {}", error.what()));
  }
}

}  // namespace

void prepare_flight_folder(int rank, int size) {
  Notes& noted = notes();
  const std::lock_guard lock(noted.mutex);
  noted.rank = rank;
  noted.size = size;
  const auto folder = flight_folder();
  if (!folder) return;
  obs::replace_file(*folder / file_name(rank), "");  // so that a folder without room is known now
  fs::remove(*folder / file_name(rank));
  if (rank != 0) return;
  for (const auto& entry : fs::directory_iterator(*folder))
    if (is_stale(entry.path(), size)) fs::remove(entry.path());
}

void record_failure(FailureKind kind, std::string_view why) noexcept {
  try {
    const auto folder = flight_folder();
    if (!folder) return;
    const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
    std::packaged_task<void()> task(
        [folder = *folder, failure = Failure{kind, now.count(), std::string(why)}] {
          write_down(folder, failure);
        });
    const auto written = task.get_future();
    {
      const SignalsBlocked blocked;
      std::thread(std::move(task)).detach();
    }
    if (written.wait_for(time_to_write) == std::future_status::ready) return;
    obs::warning(fmt::format("the flight record is not written: {} does not answer within {} s",
                             folder->string(), time_to_write.count()));
  } catch (const std::exception& error) {
    obs::warning(fmt::format("the flight record is not written: {}", error.what()));
  }
}

std::vector<Flight> flights_in(const fs::path& folder) {
  std::error_code status;
  std::vector<Flight> flights;
  for (fs::directory_iterator entry(folder, status), end; !status && entry != end;
       entry.increment(status)) {
    if (is_flight(entry->path()))
      flights.push_back(flight_from(obs::read_text(entry->path()), entry->path()));
  }
  check<IoError>(!status, [&] {
    return Complaint{fmt::format("flight: {}: {}", folder.string(), status.message()),
                     "give the folder that LOCKSTEP_FLIGHT_DIR named"};
  });
  check<IoError>(!flights.empty(), [&] {
    return Complaint{fmt::format("flight: {} holds no {} file", folder.string(), suffix),
                     "give the folder that LOCKSTEP_FLIGHT_DIR named; files are written when a job "
                     "fails"};
  });
  std::sort(flights.begin(), flights.end(),
            [](const Flight& a, const Flight& b) { return a.rank < b.rank; });
  return flights;
}

}  // namespace lockstep::comm
