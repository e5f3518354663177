#include "src/obs/trace_text.h"

#include <fmt/core.h>

#include <functional>
#include <iterator>

namespace lockstep::obs {
namespace {

double microseconds(std::int64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e3; }

// Messages of two ranks are numbered for each pair, so their numbers would join what is apart.
bool is_collective(const TraceEvent& event) {
  const std::string_view name = event.name;
  return std::string_view(event.category) == "comm" && event.number >= 0 && name != "send" &&
         name != "receive";
}

}  // namespace

std::string process_text(int rank, std::string_view host, std::string_view clock) {
  std::string text = fmt::format(
      R"({{"ph":"M","name":"process_name","pid":{0},"args":{{"name":"rank {0} {1}"}}}},
{{"ph":"M","name":"process_sort_index","pid":{0},"args":{{"sort_index":{0}}}}})",
      rank, host);
  if (!clock.empty()) {
    text += fmt::format(
        R"(,
{{"ph":"M","name":"process_labels","pid":{},"args":{{"labels":"{}"}}}})",
        rank, clock);
  }
  return text;
}

void append_event(std::string& text, const TraceEvent& event, const EventTextOptions& options) {
  fmt::format_to(std::back_inserter(text),
                 R"(,
{{"ph":"X","cat":"{}","name":"{}","pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f})",
                 event.category, event.name, options.rank, event.thread,
                 microseconds(event.begin - options.clock_offset),
                 microseconds(event.end - event.begin));
  if (options.is_linked && is_collective(event)) {
    const std::size_t link = std::hash<std::string_view>{}(event.name) +
                             std::hash<std::uint64_t>{}(event.group * 0x9e3779b97f4a7c15U) +
                             static_cast<std::size_t>(event.number);
    text += fmt::format(R"(,"bind_id":"{:#x}","flow_in":true,"flow_out":true)", link);
  }
  std::string details;
  if (event.bytes >= 0) details += fmt::format(R"("bytes":{})", event.bytes);
  if (event.number >= 0) {
    details += fmt::format(R"({}"number":{})", details.empty() ? "" : ",", event.number);
  }
  text += fmt::format(R"(,"args":{{{}}}}})", details);
}

}  // namespace lockstep::obs
