// lockstep-bench-train: the time of a training step on data in memory, beside what the machine
// allows.
#include <fmt/core.h>

#include <cmath>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "benchmarks/batches.h"
#include "benchmarks/combine.h"
#include "benchmarks/harness.h"
#include "benchmarks/workloads.h"
#include "lockstep/base/error.h"
#include "lockstep/comm/transport.h"
#include "lockstep/comm/world.h"
#include "lockstep/core/random.h"
#include "lockstep/core/shard.h"
#include "lockstep/io/safetensors.h"
#include "lockstep/ops/rows.h"
#include "lockstep/parallel/data_parallel.h"
#include "lockstep/tensor/create.h"
#include "src/programs/command_line.h"

namespace lockstep::bench {
namespace {

constexpr std::int64_t most_batches = 8;  // that the steps take in turn
constexpr std::size_t copy_bytes = std::size_t{64} << 20;
constexpr double limit_seconds = 0.6;

struct Settings {
  std::string workload = "cnn";
  std::string dtype = "f32";
  std::int64_t batch = 0;  // 0: the workload's, times the ranks
  std::int64_t steps = 50;
  std::int64_t warmup = -1;  // negative: max(8, steps / 5)
  bool is_solo = false;
  bool is_captured = false;
  std::string tail = "automatic";
  std::string sums = "lockstep";
  std::string losses;
  std::string json;
  std::string inputs;
};

// What one rank measured.
struct Measured {
  std::vector<double> step_seconds;
  std::vector<double> wait_seconds;
  std::vector<double> losses;  // warm-up included
  double peak_mib = 0;
  double limit_seconds = 0;
};

Tail tail_named(const std::string& name) {
  if (name == "plain") return Tail::plain;
  return name == "fused" ? Tail::fused : Tail::automatic;
}

DType dtype_named(const std::string& name) {
  if (name == "bf16") return DType::bf16;
  return name == "f16" ? DType::f16 : DType::f32;
}

// All that trains: in `solo` each rank is a world of its own.
class Training {
 public:
  Training(const Settings& settings, World& launched)
      : settings_(settings),
        launched_(launched),
        workload_(workload_named(settings.workload)),
        dtype_(dtype_named(settings.dtype)) {
    if (settings_.is_solo) solo_ = std::make_unique<World>(comm::self());
    core::manual_seed(2);
    model_ = workload_.model();
    model_->compute_in(dtype_);
    optimizer_ = workload_.optimizer(model_->parameters());
    ranks_ = std::make_unique<DataParallel>(
        *model_, *optimizer_, world(),
        DataParallelOptions{.mode = settings.sums == "fast" ? SumMode::fast : SumMode::lockstep,
                            .tail = tail_named(settings.tail),
                            .capture = settings.is_captured});
    make_batches();
  }

  Measured run() {
    Measured measured;
    for (std::int64_t i = 0; i < settings_.warmup + settings_.steps; ++i) {
      const Batch& batch = batches_[static_cast<std::size_t>(i) % batches_.size()];
      launched_.communicator().barrier();
      const double begin = now();
      const StepReport report = ranks_->step(
          batch, [this](const Part& part) { return cross_entropy((*model_)(part.x), part.y); });
      const double seconds = now() - begin;
      measured.losses.push_back(report.loss);
      if (i < settings_.warmup) continue;
      measured.step_seconds.push_back(seconds);
      measured.wait_seconds.push_back(report.waited_seconds);
    }
    measured.peak_mib = peak_mib();
    measured.limit_seconds = limit();
    return measured;
  }

 private:
  World& world() { return solo_ ? *solo_ : launched_; }

  void make_batches() {
    const std::int64_t count = std::min(most_batches, settings_.warmup + settings_.steps);
    const Inputs inputs = random_inputs(workload_, count, settings_.batch);
    if (!settings_.inputs.empty() && launched_.is_root()) write_inputs(inputs);
    const core::Range mine =
        settings_.is_solo ? core::part_of(settings_.batch, launched_.rank(), launched_.size())
                          : core::Range{0, settings_.batch};
    batches_ = cut_batches(inputs, mine, world().shards());
  }

  void write_inputs(const Inputs& inputs) {
    State all = model_->parameters();
    all.emplace_back("batch.x", inputs.x);
    all.emplace_back("batch.y", inputs.y);
    io::save_safetensors(settings_.inputs, all);
  }

  // The least time of a step, from what this machine shows now while the other ranks measure too.
  double limit() {
    launched_.communicator().barrier();
    const double flops = gemm_flops_per_second(limit_seconds, dtype_);
    launched_.communicator().barrier();
    CopyLimit copy(copy_bytes);
    double bytes = 0;
    for (int i = 0; i < 10; ++i) bytes = std::max(bytes, copy.bytes_per_second());
    std::int64_t samples = 0;
    for (const Part& part : batches_[0].parts) samples += part.count;
    std::int64_t parameters = 0;
    for (const auto& [name, parameter] : model_->parameters()) parameters += parameter.elements();
    return workload_.step_flops(samples) / flops +
           workload_.step_bytes({.samples = samples,
                                 .parameters = parameters,
                                 .ranks = world().size(),
                                 .cache = private_cache_bytes(),
                                 .compute = dtype_}) /
               bytes;
  }

  const Settings& settings_;
  World& launched_;
  const Workload& workload_;
  DType dtype_;
  std::unique_ptr<World> solo_;
  std::unique_ptr<nn::Sequential> model_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::unique_ptr<DataParallel> ranks_;
  std::vector<Batch> batches_;
};

// The slowest rank's figures; losses are means over ranks that train alone.
void gather(World& world, bool is_solo, Measured& measured) {
  combine(world.communicator(), measured.step_seconds, comm::Reduce::max);
  combine(world.communicator(), measured.wait_seconds, comm::Reduce::max);
  measured.peak_mib = combine(world.communicator(), measured.peak_mib, comm::Reduce::max);
  measured.limit_seconds = combine(world.communicator(), measured.limit_seconds, comm::Reduce::max);
  if (is_solo) combine(world.communicator(), measured.losses, comm::Reduce::mean);
}

void write_losses(const std::string& file, const std::vector<double>& losses) {
  std::ofstream out(file, std::ios::trunc);
  for (const double loss : losses) out << fmt::format("{:.9g}\n", loss);
  out.close();
  check<IoError>(static_cast<bool>(out), [&] {
    return Complaint{"writing " + file + " failed", "choose a path that you may write to"};
  });
}

void report(const Settings& settings, const World& world, const Measured& measured) {
  const Timing step = timing_of(measured.step_seconds);
  const double limit_ms = 1e3 * measured.limit_seconds;
  const double samples = static_cast<double>(settings.batch) / step.median;
  const double wait_ms = 1e3 * quantile(measured.wait_seconds, 0.5);
  const Entry entry{fmt::format("train/{}/{}/lockstep/{}", settings.workload, settings.dtype,
                                settings.is_solo ? "solo" : "data_parallel"),
                    step.repeats,
                    1e3 * step.median,
                    {{"step_ms", 1e3 * step.median},
                     {"step_ms_p10", 1e3 * step.p10},
                     {"step_ms_p90", 1e3 * step.p90},
                     {"limit_ms", limit_ms},
                     {"samples_per_s", samples},
                     {"wait_ms", wait_ms},
                     {"peak_mib", measured.peak_mib}}};
  fmt::print("{}  {} rank{}, batch {}, {} steps after {} of warm-up\n", entry.name, world.size(),
             world.size() == 1 ? "" : "s", settings.batch, settings.steps, settings.warmup);
  fmt::print("  step     {:9.3f} ms   p10 {:.3f}  p90 {:.3f}\n", 1e3 * step.median, 1e3 * step.p10,
             1e3 * step.p90);
  fmt::print("  limit    {:9.3f} ms   {:.0f} % of it reached\n", limit_ms,
             100 * measured.limit_seconds / step.median);
  fmt::print("  rate     {:9.0f} samples/s\n", samples);
  fmt::print("  waited   {:9.3f} ms   for communication\n", wait_ms);
  fmt::print("  memory   {:9.0f} MiB  at most on a rank\n", measured.peak_mib);
  fmt::print("  loss     {:9.4f}      at first {:.4f}\n", measured.losses.back(),
             measured.losses.front());
  if (!settings.losses.empty()) write_losses(settings.losses, measured.losses);
  if (!settings.json.empty()) {
    write_json(settings.json, "lockstep-bench-train",
               {{"ranks", std::to_string(world.size())}, {"batch", std::to_string(settings.batch)}},
               {entry});
  }
}

void complete(Settings& settings, const World& world) {
  if (settings.warmup < 0) settings.warmup = std::max<std::int64_t>(8, settings.steps / 5);
  if (settings.batch == 0) {
    settings.batch = workload_named(settings.workload).batch_per_rank * world.size();
  }
  check<UsageError>(settings.batch >= world.size(), [&] {
    return Complaint{fmt::format("--batch {} for {} ranks", settings.batch, world.size()),
                     "give every rank at least one sample"};
  });
}

void run(Settings settings, World& world) {
  complete(settings, world);
  if (world.is_root()) {
    check_writable(settings.json);
    check_writable(settings.losses);
  }
  Training training(settings, world);
  Measured measured = training.run();
  gather(world, settings.is_solo, measured);
  check<Error>(std::isfinite(measured.losses.back()), [&] {
    return Complaint{fmt::format("the last loss is {}", measured.losses.back()),
                     "run it without --inputs of your own, or report this"};
  });
  if (world.is_root()) report(settings, world, measured);
}

}  // namespace
}  // namespace lockstep::bench

int main(int argc, char** argv) {
  using lockstep::bench::workload_names;
  lockstep::bench::Settings settings;
  lockstep::programs::CommandLine line("lockstep-bench-train",
                                       "Times training steps on data in memory: forward, backward, "
                                       "exchange and update after a barrier.");
  line.add({.name = "--workload", .meaning = "model that is trained", .choices = workload_names()},
           settings.workload);
  line.add({.name = "--dtype",
            .meaning = "that layers compute in, from f32 parameters",
            .choices = {"f32", "bf16", "f16"}},
           settings.dtype);
  line.add({.name = "--batch",
            .meaning = "samples of a step, all ranks together",
            .fallback = "the workload's, times the ranks",
            .low = 1},
           settings.batch);
  line.add({.name = "--steps", .meaning = "steps that are timed", .low = 1}, settings.steps);
  line.add({.name = "--warmup",
            .meaning = "steps before them",
            .fallback = "the larger of 8 and steps / 5",
            .low = 0},
           settings.warmup);
  line.add({.name = "--solo", .meaning = "independent ranks, each on batch / ranks samples"},
           settings.is_solo);
  line.add({.name = "--captured", .meaning = "record forward and backward once, and replay them"},
           settings.is_captured);
  line.add({.name = "--tail",
            .meaning = "who updates: all ranks everything, each its slices, or as a trial shows",
            .choices = {"automatic", "plain", "fused"}},
           settings.tail);
  line.add({.name = "--sums",
            .meaning = "of gradients: along the tree, or in any order",
            .choices = {"lockstep", "fast"}},
           settings.sums);
  line.add(
      {.name = "--losses", .meaning = "write one loss a line, warm-up included", .value = "FILE"},
      settings.losses);
  line.add({.name = "--json",
            .meaning = "write the figures in Google Benchmark's schema",
            .value = "FILE"},
           settings.json);
  line.add({.name = "--inputs",
            .meaning = "write weights and batches as safetensors, for another program to train on",
            .value = "FILE"},
           settings.inputs);
  if (const auto code = line.parse(argc, argv)) return *code;
  return lockstep::run(argc, argv,
                       [&](lockstep::World& world) { lockstep::bench::run(settings, world); });
}
