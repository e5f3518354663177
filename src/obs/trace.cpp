#include "lockstep/obs/trace.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <iterator>
#include <mutex>
#include <string>

#include "lockstep/base/config.h"
#include "lockstep/obs/log.h"
#include "src/obs/file.h"
#include "src/obs/identity.h"

namespace lockstep::obs {
namespace {

constexpr std::size_t few_events = 4096;
constexpr std::size_t many_events = std::size_t{1} << 20;

// "trace.json", and "trace.rank3.json" for rank 3.
std::filesystem::path path_of_rank(std::filesystem::path path, int rank) {
  if (rank == 0) return path;
  const auto extension = path.extension();
  return path.replace_extension(fmt::format("rank{}{}", rank, extension.string()));
}

// A ring; it grows to its bound and no further.
class Recorder {
 public:
  Recorder() : file_(setting("LOCKSTEP_TRACE").value_or("")) {
    bound_ = file_.empty() ? few_events : many_events;
    events_.reserve(few_events);
  }
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;
  ~Recorder() {
    if (file_.empty()) return;
    try {
      write_trace(path_of_rank(file_, identity().rank));
    } catch (const std::exception& failure) {
      warning(failure.what());
    }
  }

  bool has_file() const { return !file_.empty(); }

  void add(const TraceEvent& event) {
    const std::lock_guard lock(mutex_);
    if (events_.size() < bound_) {
      events_.push_back(event);
    } else {
      events_[next_] = event;
      next_ = (next_ + 1) % bound_;
    }
  }
  std::vector<TraceEvent> newest(std::size_t limit) {
    const std::lock_guard lock(mutex_);
    const std::size_t count = std::min(limit, events_.size());
    std::vector<TraceEvent> copy(count);
    for (std::size_t i = 0; i < count; ++i) {
      copy[i] = events_[(next_ + events_.size() - count + i) % events_.size()];
    }
    return copy;
  }
  void clear() {
    const std::lock_guard lock(mutex_);
    events_.clear();
    next_ = 0;
  }

 private:
  std::string file_;
  std::size_t bound_;
  std::mutex mutex_;
  std::vector<TraceEvent> events_;
  std::size_t next_ = 0;  // the oldest, once the ring is full
};

Recorder& recorder() {
  static Recorder instance;
  return instance;
}

std::uint32_t thread_number() {
  static std::atomic<std::uint32_t> count{0};
  thread_local const std::uint32_t number = count.fetch_add(1, std::memory_order_relaxed);
  return number;
}

void append_event(std::string& text, const TraceEvent& event, int rank) {
  fmt::format_to(std::back_inserter(text),
                 R"({{"ph":"X","cat":"{}","name":"{}","pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f})",
                 event.category, event.name, rank, event.thread,
                 static_cast<double>(event.begin) / 1e3,
                 static_cast<double>(event.end - event.begin) / 1e3);
  std::string details;
  if (event.bytes >= 0) details += fmt::format(R"("bytes":{})", event.bytes);
  if (event.number >= 0) {
    details += fmt::format(R"({}"number":{})", details.empty() ? "" : ",", event.number);
  }
  text += fmt::format(R"(,"args":{{{}}}}})", details);
}

}  // namespace

bool is_tracing() { return recorder().has_file(); }

std::int64_t trace_now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void record(TraceEvent event) {
  event.thread = thread_number();
  recorder().add(event);
}

std::vector<TraceEvent> recent_events(std::size_t limit) { return recorder().newest(limit); }

void clear_trace() { recorder().clear(); }

void write_trace(const std::filesystem::path& file) {
  const Identity who = identity();
  std::string text = fmt::format(
      R"({{"traceEvents":[
{{"ph":"M","name":"process_name","pid":{0},"args":{{"name":"rank {0} {1}"}}}})",
      who.rank, who.host);
  for (const TraceEvent& event : recent_events(many_events)) {
    text += ",\n";
    append_event(text, event, who.rank);
  }
  replace_file(file, text + "\n]}\n");
}

}  // namespace lockstep::obs
