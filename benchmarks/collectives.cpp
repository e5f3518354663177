// lockstep-bench-collectives: time and bandwidth of a collective over a range of sizes, beside
// plain MPI and beside what memory allows; the columns and bandwidths of nccl-tests.
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "benchmarks/collective_case.h"
#include "benchmarks/collective_timing.h"
#include "benchmarks/harness.h"
#include "benchmarks/program.h"
#include "benchmarks/transports.h"
#include "lockstep/base/error.h"
#include "lockstep/comm/world.h"
#include "src/programs/command_line.h"

namespace lockstep::bench {
namespace {

struct Settings {
  std::string op = "all_reduce";
  std::string transport = "auto";
  std::string memory = "arena";
  std::string dtype = "f32";
  std::string redop = "sum";
  std::int64_t root = 0;
  std::int64_t min = std::int64_t{4} << 10;
  std::int64_t max = std::int64_t{64} << 20;
  std::int64_t factor = 4;
  std::int64_t warmup = 5;
  std::int64_t repeats = 0;
  std::string json;
};

std::vector<std::string> dtype_names() {
  std::vector<std::string> names;
  for (const DType dtype : all_dtypes) names.emplace_back(name_of(dtype));
  return names;
}
std::vector<std::string> redop_names() {
  std::vector<std::string> names;
  for (const comm::Reduce op : comm::all_reductions) names.emplace_back(name_of(op));
  return names;
}
template <class Enum> Enum named(const std::vector<std::string>& names, const std::string& name) {
  return static_cast<Enum>(std::find(names.begin(), names.end(), name) - names.begin());
}

CollectiveCase case_of(const Settings& settings, const comm::Communicator& ranks) {
  return {.op = collective_named(settings.op),
          .dtype = named<DType>(dtype_names(), settings.dtype),
          .redop = named<comm::Reduce>(redop_names(), settings.redop),
          .root = static_cast<int>(settings.root),
          .rank = ranks.rank(),
          .ranks = ranks.size()};
}

void require(bool holds, const std::string& what, const std::string& fix) {
  check<UsageError>(holds, [&] { return Complaint{what, fix}; });
}

void check_settings(const Settings& settings, const CollectiveCase& on) {
  const auto size = static_cast<std::int64_t>(size_of(on.dtype));
  require(settings.min <= settings.max,
          fmt::format("--min {} is more than --max {}", settings.min, settings.max),
          "give a --max that is no less than --min");
  for (const auto& [flag, bytes] : {std::pair("--min", settings.min), {"--max", settings.max}}) {
    require(bytes % size == 0,
            fmt::format("{} {} is no multiple of the {} bytes of {}", flag, bytes, size,
                        settings.dtype),
            fmt::format("give {} bytes", (bytes / size + 1) * size));
  }
  require(settings.root < on.ranks, fmt::format("--root {} of {} ranks", settings.root, on.ranks),
          fmt::format("give a root below {}", on.ranks));
  if (!on.is_reduction()) return;
  const bool is_order = on.redop == comm::Reduce::min || on.redop == comm::Reduce::max;
  require(on.dtype != DType::boolean || is_order, fmt::format("--redop {} of bool", settings.redop),
          "give --redop min or max");
  require(on.redop != comm::Reduce::mean || is_floating(on.dtype),
          fmt::format("--redop mean of {}", settings.dtype),
          "give --redop sum, or a floating-point --dtype");
}

// Sizes are rounded down to whole parts, one for each rank.
std::vector<CollectiveCase> cases_of(const Settings& settings, const CollectiveCase& on) {
  std::vector<CollectiveCase> cases;
  if (on.op == Collective::barrier) return {on};
  const auto size = static_cast<std::int64_t>(size_of(on.dtype));
  for (std::int64_t bytes = settings.min; bytes <= settings.max; bytes *= settings.factor) {
    CollectiveCase next = on;
    next.elements = bytes / size;
    if (on.has_parts()) next.elements -= next.elements % on.ranks;
    cases.push_back(next);
    if (settings.factor == 1 || bytes > settings.max / settings.factor) break;
  }
  return cases;
}

struct Bandwidth {
  double algbw = 0;  // GB/s
  double busbw = 0;
};
Bandwidth bandwidth_of(const CollectiveCase& on, double seconds) {
  const double algbw = 1e-9 * static_cast<double>(on.bytes()) / seconds;
  return {algbw, algbw * on.bus_factor()};
}

Entry entry_of(const CollectiveCase& on, Placement placement, const CollectiveTimes& times,
               const std::string& transport, double check_seconds) {
  const auto [algbw, busbw] = bandwidth_of(on, times.ours.median);
  Entry entry{fmt::format("collectives/{}/{}/{}/{}/{}", name_of(on.op), name_of(on.dtype),
                          transport, on.bytes(), name_of(placement)),
              times.ours.repeats,
              1e3 * times.ours.median,
              {{"size", static_cast<double>(on.bytes())},
               {"time_us", 1e6 * times.ours.median},
               {"time_us_p10", 1e6 * times.ours.p10},
               {"time_us_p90", 1e6 * times.ours.p90},
               {"algbw_gbs", algbw},
               {"busbw_gbs", busbw},
               {"wrong", static_cast<double>(times.wrong)},
               {"check_us", 1e6 * check_seconds}}};
  const auto add = [&](const std::string& who, const std::optional<Timing>& timing) {
    if (!timing) return;
    entry.counters.emplace_back(who + "_algbw_gbs", bandwidth_of(on, timing->median).algbw);
    entry.counters.emplace_back(who + "_time_us", 1e6 * timing->median);
  };
  add("mpi", times.mpi);
  add("limit", times.limit);
  return entry;
}

std::string cells(const CollectiveCase& on, const CollectiveTimes& times) {
  const auto [algbw, busbw] = bandwidth_of(on, times.ours.median);
  const auto other = [&](const std::optional<Timing>& timing) {
    return timing ? fmt::format("{:8.2f}", bandwidth_of(on, timing->median).algbw)
                  : fmt::format("{:>8}", "-");
  };
  return fmt::format("{:10.2f}{:8.2f}{:8.2f}{:7}{}{}", 1e6 * times.ours.median, algbw, busbw,
                     times.wrong, other(times.mpi), other(times.limit));
}

void print_heading(const Settings& settings, const comm::Communicator& ranks,
                   double check_seconds) {
  fmt::print("# {} on {} ranks, transport {}, {} memory; signature check {:.3f} us a call\n",
             settings.op, ranks.size(), ranks.transport(), settings.memory, 1e6 * check_seconds);
  fmt::print("# medians of the slowest rank; mpi: algbw of plain MPI; limit: algbw of {}\n",
             settings.memory == "arena" ? "a bare loop of all ranks over memory that they share"
                                        : "one copy by every rank of its own memory");
  fmt::print("#{:>11}{:>13}{:>7}{:>9}{:>6}{:>49}{:>49}\n", "", "", "", "", "",
             "out of place           ", "in place             ");
  const std::string columns = fmt::format("{:>10}{:>8}{:>8}{:>7}{:>8}{:>8}", "time", "algbw",
                                          "busbw", "#wrong", "mpi", "limit");
  const std::string units = fmt::format("{:>10}{:>8}{:>8}{:>7}{:>8}{:>8}", "(us)", "(GB/s)",
                                        "(GB/s)", "", "(GB/s)", "(GB/s)");
  fmt::print("#{:>11}{:>13}{:>7}{:>9}{:>6}{}{}\n", "size", "count", "type", "redop", "root",
             columns, columns);
  fmt::print("#{:>11}{:>13}{:>7}{:>9}{:>6}{}{}\n", "(B)", "(elements)", "", "", "", units, units);
}

class Table {
 public:
  Table(const Settings& settings, comm::Communicator& ranks) : settings_(settings), ranks_(ranks) {}

  void run() {
    const CollectiveCase on = case_of(settings_, ranks_);
    check_settings(settings_, on);
    const std::vector<CollectiveCase> cases = cases_of(settings_, on);
    check_seconds_ = signature_check_seconds(ranks_);
    if (ranks_.rank() == 0) print_heading(settings_, ranks_, check_seconds_);
    CollectiveTiming timing(
        ranks_, {.memory = settings_.memory == "arena" ? MemoryKind::arena : MemoryKind::heap,
                 .max_bytes = cases.back().bytes(),
                 .warmup = settings_.warmup,
                 .repeats = settings_.repeats});
    for (const CollectiveCase& each : cases) row(timing, each);
    if (ranks_.rank() == 0) finish();
    check<Error>(wrong_ == 0, [&] {
      return Complaint{fmt::format("{}: {} elements are wrong", settings_.op, wrong_),
                       "report this: the transport is broken"};
    });
  }

 private:
  void row(CollectiveTiming& timing, const CollectiveCase& on) {
    std::string line =
        fmt::format("{:12}{:13}{:>7}{:>9}{:6}", on.bytes(), on.count_column(), name_of(on.dtype),
                    on.is_reduction() ? name_of(on.redop) : "none", on.has_root() ? on.root : -1);
    for (const Placement placement : {Placement::out_of_place, Placement::in_place}) {
      if (!on.serves(placement)) {
        line += fmt::format("{:>10}{:>8}{:>8}{:>7}{:>8}{:>8}", "-", "-", "-", "-", "-", "-");
        continue;
      }
      const CollectiveTimes times = timing.measure(on, placement);
      wrong_ += times.wrong;
      line += cells(on, times);
      entries_.push_back(
          entry_of(on, placement, times, std::string(ranks_.transport()), check_seconds_));
    }
    if (ranks_.rank() != 0) return;
    fmt::print("{}\n", line);
    std::fflush(stdout);
  }

  void finish() const {
    double sum = 0;
    for (const Entry& entry : entries_) {
      for (const auto& [name, value] : entry.counters) sum += name == "busbw_gbs" ? value : 0;
    }
    fmt::print("# wrong elements: {}\n", wrong_);
    fmt::print("# average bus bandwidth: {:.4f} GB/s\n",
               sum / static_cast<double>(entries_.size()));
    if (settings_.json.empty()) return;
    write_json(settings_.json, "lockstep-bench-collectives",
               {{"ranks", std::to_string(ranks_.size())},
                {"transport", std::string(ranks_.transport())},
                {"memory", settings_.memory},
                {"op", settings_.op},
                {"redop", settings_.redop}},
               entries_);
  }

  const Settings& settings_;
  comm::Communicator& ranks_;
  double check_seconds_ = 0;
  std::int64_t wrong_ = 0;
  std::vector<Entry> entries_;
};

void run(const Settings& settings, World& world) {
  if (world.is_root()) check_writable(settings.json);
  const auto made = joined_over(settings.transport, world);
  Table(settings, made ? *made : world.communicator()).run();
}

void add_flags(programs::CommandLine& line, Settings& settings) {
  line.add({.name = "--op", .meaning = "collective", .choices = collective_names()}, settings.op);
  line.add({.name = "--transport", .meaning = "what moves the data", .choices = transport_names()},
           settings.transport);
  line.add({.name = "--memory",
            .meaning = "where buffers lie: memory that the transport moves fastest, or any",
            .choices = {"arena", "heap"}},
           settings.memory);
  line.add({.name = "--dtype", .meaning = "of the elements", .choices = dtype_names()},
           settings.dtype);
  line.add({.name = "--redop", .meaning = "reduction", .choices = redop_names()}, settings.redop);
  line.add({.name = "--root", .meaning = "rank that gives or gets the whole", .low = 0},
           settings.root);
  line.add_bytes({.name = "--min", .meaning = "smallest size", .low = 1}, settings.min);
  line.add_bytes({.name = "--max", .meaning = "largest size", .low = 1}, settings.max);
  line.add({.name = "--factor", .meaning = "from one size to the next", .low = 1}, settings.factor);
  line.add({.name = "--warmup", .meaning = "repeats before those that are timed", .low = 0},
           settings.warmup);
  line.add({.name = "--repeats",
            .meaning = "repeats that are timed",
            .fallback = "by size, from 20 to 200",
            .low = 1},
           settings.repeats);
  add_json_flag(line, settings.json);
}

}  // namespace
}  // namespace lockstep::bench

int main(int argc, char** argv) {
  using namespace lockstep::bench;
  return run_program(
      argc, argv,
      {"lockstep-bench-collectives",
       "Times a collective out of place and in place, beside plain MPI and the memory's limit."},
      add_flags, run);
}
