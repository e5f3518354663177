#include "lockstep/obs/trace.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <string>

#include "lockstep/base/config.h"
#include "lockstep/obs/log.h"
#include "src/obs/file.h"
#include "src/obs/identity.h"
#include "src/obs/trace_text.h"

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
    if (file_.empty() || is_merged_) return;
    try {
      write_trace(path_of_rank(file_, identity().rank));
    } catch (const std::exception& failure) {
      warning(failure.what());
    }
  }

  const std::string& file() const { return file_; }
  void leave_file_alone() { is_merged_ = true; }

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
  std::atomic<bool> is_merged_{false};  // the file holds all ranks' events
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

}  // namespace

bool is_tracing() { return !recorder().file().empty(); }

std::filesystem::path trace_file() { return recorder().file(); }

void leave_trace_file_alone() { recorder().leave_file_alone(); }

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
  std::string text = std::string(trace_head) + process_text(who.rank, who.host);
  for (const TraceEvent& event : recent_events(many_events)) {
    append_event(text, event, {.rank = who.rank});
  }
  replace_file(file, text += trace_tail);
}

}  // namespace lockstep::obs
