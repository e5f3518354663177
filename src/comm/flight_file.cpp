#include "src/comm/flight_file.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "lockstep/base/error.h"

namespace lockstep::comm {

NLOHMANN_JSON_SERIALIZE_ENUM(FailureKind, {{FailureKind::own, "own"},
                                           {FailureKind::call, "call"},
                                           {FailureKind::others, "others"}})

namespace {

using nlohmann::json;

constexpr const char* format = "lockstep flight";
constexpr int version = 1;

void append_line(std::string& text, const json& object) {
  // Texts come from the program; what is no UTF-8 in them must not keep the rest.
  text += object.dump(-1, ' ', false, json::error_handler_t::replace) + '\n';
}

json head_of(const Flight& flight) {
  json failures = json::array();
  for (const Failure& failure : flight.failures)
    failures.push_back({{"kind", failure.kind}, {"time", failure.time}, {"why", failure.why}});
  return {{"format", format},
          {"version", version},
          {"rank", flight.rank},
          {"size", flight.size},
          {"host", flight.host},
          {"pid", flight.pid},
          {"activity", flight.activity},
          {"failures", failures},
          {"communicators", flight.groups.size()}};
}

json head_of(const FlightGroup& group) {
  return {{"group", group.id},  {"name", group.name}, {"transport", group.transport},
          {"rank", group.rank}, {"size", group.size}, {"calls", group.calls.size()}};
}

json line_of(const FlightCall& call) {
  json line{{"sequence", call.sequence}, {"message", call.is_message}, {"call", call.call},
            {"site", call.site},         {"started", call.started},    {"finished", nullptr}};
  if (call.finished) line["finished"] = *call.finished;
  return line;
}

// The lines of a text, one after the other.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}

  json next() {
    const auto end = text_.find('\n');
    if (end == std::string_view::npos) throw std::runtime_error("it is cut off");
    const auto line = text_.substr(0, end);
    text_.remove_prefix(end + 1);
    return json::parse(line);
  }

 private:
  std::string_view text_;
};

FlightCall call_from(const json& line) {
  FlightCall call{.sequence = line.at("sequence"),
                  .is_message = line.at("message"),
                  .call = line.at("call"),
                  .site = line.at("site"),
                  .started = line.at("started"),
                  .finished = {}};
  if (const json& finished = line.at("finished"); !finished.is_null())
    call.finished = finished.get<double>();
  return call;
}

FlightGroup group_from(Lines& lines) {
  const json head = lines.next();
  FlightGroup group{.id = head.at("group"),
                    .name = head.at("name"),
                    .transport = head.at("transport"),
                    .rank = head.at("rank"),
                    .size = head.at("size"),
                    .calls = {}};
  const std::size_t calls = head.at("calls");
  for (std::size_t i = 0; i < calls; ++i) group.calls.push_back(call_from(lines.next()));
  return group;
}

Flight flight_from(Lines lines) {
  const json head = lines.next();
  if (head.at("format") != format) throw std::runtime_error("it is no flight file");
  if (head.at("version") != version)
    throw std::runtime_error(
        fmt::format("it has version {}, not {}", head.at("version").dump(), version));
  Flight flight{.rank = head.at("rank"),
                .size = head.at("size"),
                .host = head.at("host"),
                .pid = head.at("pid"),
                .activity = head.at("activity"),
                .failures = {},
                .groups = {}};
  for (const json& each : head.at("failures"))
    flight.failures.push_back({each.at("kind"), each.at("time"), each.at("why")});
  const std::size_t groups = head.at("communicators");
  for (std::size_t i = 0; i < groups; ++i) flight.groups.push_back(group_from(lines));
  return flight;
}

}  // namespace

std::string encoded(const Flight& flight) {
  std::string text;
  append_line(text, head_of(flight));
  for (const FlightGroup& group : flight.groups) {
    append_line(text, head_of(group));
    for (const FlightCall& call : group.calls) append_line(text, line_of(call));
  }
  return text;
}

Flight flight_from(std::string_view text, const std::filesystem::path& file) {
  try {
    return flight_from(Lines(text));
  } catch (const std::exception& error) {
    throw IoError({fmt::format("flight: {}: {}", file.string(), error.what()),
                   "remove that file to read the other ranks', or use the lockstep-info of the "
                   "version that wrote it"});
  }
}

}  // namespace lockstep::comm
