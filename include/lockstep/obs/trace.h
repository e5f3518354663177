// What this process did and when: the last operations in memory, all of them in a file where
// LOCKSTEP_TRACE asks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

namespace lockstep::obs {

// Plain and of fixed size: recording allocates nothing. Texts are literals, kept by pointer.
struct TraceEvent {
  const char* category = "";  // "comm", "data", "step"
  const char* name = "";      // "all_reduce"
  std::int64_t begin = 0;     // nanoseconds of trace_now()
  std::int64_t end = 0;
  std::int64_t bytes = -1;   // moved or read; -1: does not apply
  std::int64_t number = -1;  // of the collective or step; -1: does not apply
  std::uint64_t group = 0;   // of ranks that number their collectives apart from the others'
  std::uint32_t thread = 0;  // filled in by record()
};

// True where LOCKSTEP_TRACE names a file: then a million events are kept instead of a few thousand,
// fine-grained callers record too, and the process writes the file when it ends (rank r > 0:
// "trace.rank3.json" for "trace.json"). The ranks of a job that ends well write one file together,
// see comm/merged_trace.h.
bool is_tracing();
// The file that LOCKSTEP_TRACE names, or nothing.
std::filesystem::path trace_file();
// The process does not write that file any more: the ranks have done so together.
void leave_trace_file_alone();
// Nanoseconds of the steady clock.
std::int64_t trace_now();
// Adds an event; the oldest gives way. Safe from every thread.
void record(TraceEvent event);
// The newest events, oldest first, at most `limit`.
std::vector<TraceEvent> recent_events(std::size_t limit);
void clear_trace();

// Chrome trace format, which about://tracing and ui.perfetto.dev open; the process number is the
// rank. IoError.
void write_trace(const std::filesystem::path& file);

// Records the time between its construction and its end.
class TraceScope {
 public:
  TraceScope(const char* category, const char* name, std::int64_t bytes = -1,
             std::int64_t number = -1)
      : event_{category, name, trace_now(), 0, bytes, number} {}
  TraceScope(const TraceScope&) = delete;
  TraceScope& operator=(const TraceScope&) = delete;
  ~TraceScope() {
    event_.end = trace_now();
    record(event_);
  }

 private:
  TraceEvent event_;
};

}  // namespace lockstep::obs
