// Events in Chrome's trace format,
// https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lockstep/obs/trace.h"

namespace lockstep::obs {

// A file is the head, the first process, any further events and processes, and the tail.
inline constexpr std::string_view trace_head = "{\"traceEvents\":[\n";
inline constexpr std::string_view trace_tail = "\n]}\n";

// The row of a rank. `clock` says how well its times fit the other ranks'.
std::string process_text(int rank, std::string_view host, std::string_view clock = {});

struct EventTextOptions {
  int rank = 0;
  std::int64_t clock_offset = 0;  // nanoseconds, taken off all times
  bool is_linked = false;         // joins the same collective of different ranks with arrows
};
// Appends ",\n" and the event.
void append_event(std::string& text, const TraceEvent& event, const EventTextOptions& options);

}  // namespace lockstep::obs
