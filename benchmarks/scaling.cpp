// lockstep-bench-scaling: what data-parallel training costs over the same training without any
// exchange, by ranks, shards and how gradients are exchanged, and what its guarantees cost.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "benchmarks/combine.h"
#include "benchmarks/harness.h"
#include "benchmarks/program.h"
#include "benchmarks/scaling_case.h"
#include "benchmarks/transports.h"
#include "benchmarks/workloads.h"
#include "lockstep/base/config.h"
#include "lockstep/base/error.h"
#include "lockstep/comm/world.h"
#include "src/programs/command_line.h"

namespace lockstep::bench {
namespace {

using List = std::vector<std::string>;

struct Settings {
  std::string workload = "mlp";
  std::string transport = "auto";
  std::string ranks;
  std::string shards;
  std::string buckets = "planned";
  std::string tails = "automatic";
  std::string sums = "lockstep";
  std::string against = "solo";
  std::int64_t batch = 0;  // of a rank; 0: the workload's
  int pairs = 15;
  int steps = 10;
  int warmup = 20;
  std::string json;
};

void require(bool holds, const std::string& what, const std::string& fix) {
  check<UsageError>(holds, [&] { return Complaint{what, fix}; });
}

List items_of(const std::string& text) {
  List items;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    items.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return items;
}

List choices_of(const std::string& flag, const std::string& text, const List& known) {
  List items = items_of(text);
  for (const std::string& item : items) {
    const std::string_view near =
        nearest(item, std::vector<std::string_view>(known.begin(), known.end()));
    require(std::find(known.begin(), known.end(), item) != known.end(),
            fmt::format("{} {} is not known", flag, item),
            near.empty() ? fmt::format("{} --help lists the names", "lockstep-bench-scaling")
                         : fmt::format("did you mean {}?", near));
  }
  return items;
}

// Whole numbers of at least 1; `bytes` may have the suffix K, M or G.
std::int64_t number_of(const std::string& flag, const std::string& item, std::int64_t most) {
  const auto value = programs::bytes_of(item);
  require(value && *value >= 1 && *value <= most,
          fmt::format("{} {} is not a whole number from 1 to {}", flag, item, most),
          "give whole numbers, separated by commas");
  return *value;
}

std::vector<int> numbers_of(const std::string& flag, const std::string& text, int most) {
  std::vector<int> numbers;
  for (const std::string& item : items_of(text))
    numbers.push_back(static_cast<int>(number_of(flag, item, most)));
  return numbers;
}

Tail tail_named(const std::string& name) {
  if (name == "plain") return Tail::plain;
  return name == "fused" ? Tail::fused : Tail::automatic;
}

// All settings that are asked for on `ranks` ranks.
std::vector<ScalingCase> cases_of(const Settings& settings, int ranks) {
  constexpr int most_shards = 1'000'000;
  const std::vector<int> shards = settings.shards.empty()
                                      ? std::vector<int>{ranks, 4 * ranks}
                                      : numbers_of("--shards", settings.shards, most_shards);
  const List tails = choices_of("--tails", settings.tails, {"automatic", "plain", "fused"});
  const List sums = choices_of("--sums", settings.sums, {"lockstep", "fast"});
  const List others = against_names();
  const auto against = static_cast<Against>(
      std::find(others.begin(), others.end(), settings.against) - others.begin());
  std::vector<ScalingCase> cases;
  for (const int count : shards) {
    for (const std::string& bucket : items_of(settings.buckets)) {
      const std::int64_t bytes =
          bucket == "planned" ? 0 : number_of("--buckets", bucket, std::int64_t{1} << 40);
      for (const std::string& tail : tails) {
        for (const std::string& sum : sums) {
          cases.push_back({count,
                           {.mode = sum == "fast" ? SumMode::fast : SumMode::lockstep,
                            .bucket_bytes = bytes,
                            .tail = tail_named(tail)},
                           against,
                           fmt::format("{}_shards/{}/{}/{}", count, bucket, tail, sum)});
        }
      }
    }
  }
  return cases;
}

// Exposed communication, or what a guarantee costs.
std::string cost_name(Against against) {
  return against == Against::solo ? "exposed_pct" : "cost_pct";
}

Entry entry_of(const Settings& settings, int ranks, const ScalingCase& one,
               const ScalingTimes& times) {
  const Interval interval = median_interval(times.cost);
  const std::string cost = cost_name(one.against);
  const std::string name =
      fmt::format("scaling/{}/f32/{}_ranks/{}", settings.workload, ranks, one.name);
  return {one.against == Against::solo ? name : name + "/against_" + settings.against,
          times.step.repeats,
          1e3 * times.step.median,
          {{cost, 100 * quantile(times.cost, 0.5)},
           {cost + "_low", 100 * interval.low},
           {cost + "_high", 100 * interval.high},
           {"step_ms", 1e3 * times.step.median},
           {"step_ms_p10", 1e3 * times.step.p10},
           {"step_ms_p90", 1e3 * times.step.p90},
           {settings.against + "_ms", 1e3 * times.other.median},
           {"wait_ms", 1e3 * times.wait_seconds},
           {"ranks", ranks},
           {"shards", one.shards}}};
}

void print_heading(const Settings& settings, const comm::Communicator& ranks) {
  fmt::print("# {}, transport {}; {} pairs of {} steps, in turn with {}\n", settings.workload,
             ranks.transport(), settings.pairs, settings.steps,
             settings.against == "solo" ? "independent ranks (solo)" : settings.against);
  const std::string cost = settings.against == "solo" ? "exposed" : "cost";
  fmt::print("# {}: (step - {}) / {}, the median over the pairs and its 95 % interval\n", cost,
             settings.against, settings.against);
  fmt::print("#{:>5}{:>8}  {:<32}{:>10}{:>13}{:>10}{:>10}{:>20}\n", "ranks", "shards",
             "buckets/tail/sums", "step ms", settings.against + " ms", "waited", cost, "interval");
}

void print_row(int ranks, const ScalingCase& one, const ScalingTimes& times) {
  const Interval interval = median_interval(times.cost);
  fmt::print("{:6}{:8}  {:<32}{:10.3f}{:13.3f}{:10.3f}{:8.2f} %{:>20}\n", ranks, one.shards,
             one.name.substr(one.name.find('/') + 1), 1e3 * times.step.median,
             1e3 * times.other.median, 1e3 * times.wait_seconds, 100 * quantile(times.cost, 0.5),
             fmt::format("{:.2f} to {:.2f} %", 100 * interval.low, 100 * interval.high));
  std::fflush(stdout);
}

// Waits for all ranks without taking time from those that train.
void meet_asleep(comm::Communicator& ranks) {
  double one = 1;
  const core::Buffer buffer{&one, 1, DType::f64, {}, {}};
  comm::Work work = ranks.all_reduce(buffer, buffer, comm::Reduce::sum, core::current_stream({}));
  while (!work.done()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

void run(const Settings& settings, World& world) {
  const auto made = joined_over(settings.transport, world);
  comm::Communicator& all = made ? *made : world.communicator();
  const std::vector<int> sizes = settings.ranks.empty()
                                     ? std::vector<int>{all.size()}
                                     : numbers_of("--ranks", settings.ranks, all.size());
  for (const int size : sizes) cases_of(settings, size);  // refuses before anything is timed
  const Workload& workload = workload_named(settings.workload);
  std::vector<Entry> entries;
  if (all.rank() == 0) check_writable(settings.json);
  if (all.rank() == 0) print_heading(settings, all);
  for (const int size : sizes) {
    const auto ranks = all.split(all.rank() < size ? 0 : -1, all.rank());
    const std::int64_t share = settings.batch > 0 ? settings.batch : workload.batch_per_rank;
    for (const ScalingCase& one : ranks ? cases_of(settings, size) : std::vector<ScalingCase>{}) {
      const ScalingTimes times = measure_scaling(workload, one,
                                                 {.batch = share * size,
                                                  .pairs = settings.pairs,
                                                  .steps = settings.steps,
                                                  .warmup = settings.warmup},
                                                 *ranks);
      entries.push_back(entry_of(settings, size, one, times));
      if (all.rank() == 0) print_row(size, one, times);
    }
    meet_asleep(all);
  }
  if (all.rank() == 0 && !settings.json.empty()) {
    write_json(settings.json, "lockstep-bench-scaling",
               {{"ranks", std::to_string(all.size())},
                {"transport", std::string(all.transport())},
                {"workload", settings.workload}},
               entries);
  }
}

void add_flags(programs::CommandLine& line, Settings& settings) {
  line.add({.name = "--workload", .meaning = "model that is trained", .choices = workload_names()},
           settings.workload);
  line.add(
      {.name = "--transport", .meaning = "what moves the gradients", .choices = transport_names()},
      settings.transport);
  line.add({.name = "--ranks",
            .meaning = "numbers of ranks, one after the other; the others sleep",
            .value = "LIST",
            .fallback = "those of the launch"},
           settings.ranks);
  line.add({.name = "--shards",
            .meaning = "numbers of shards of the global batch",
            .value = "LIST",
            .fallback = "the ranks and four times as many"},
           settings.shards);
  line.add({.name = "--buckets",
            .meaning = "bucket sizes: planned, or bytes with the suffix K, M or G",
            .value = "LIST"},
           settings.buckets);
  line.add({.name = "--tails", .meaning = "automatic, plain, fused", .value = "LIST"},
           settings.tails);
  line.add({.name = "--sums", .meaning = "lockstep, fast", .value = "LIST"}, settings.sums);
  line.add({.name = "--against",
            .meaning = "compare with independent ranks, or with the same ranks without the tree's "
                       "order, the comparison of replicas, or background saves every 50 steps",
            .choices = against_names()},
           settings.against);
  line.add(
      {.name = "--batch", .meaning = "samples of a rank", .fallback = "the workload's", .low = 1},
      settings.batch);
  line.add({.name = "--pairs", .meaning = "of training with and without exchange", .low = 1},
           settings.pairs);
  line.add({.name = "--steps", .meaning = "steps of each side of a pair", .low = 1},
           settings.steps);
  line.add({.name = "--warmup", .meaning = "steps of each side before them", .low = 0},
           settings.warmup);
  add_json_flag(line, settings.json);
}

}  // namespace
}  // namespace lockstep::bench

int main(int argc, char** argv) {
  using namespace lockstep::bench;
  return run_program(
      argc, argv,
      {"lockstep-bench-scaling",
       "Times data-parallel training beside the same training without any exchange."},
      add_flags, run);
}
