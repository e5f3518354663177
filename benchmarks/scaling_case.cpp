#include "benchmarks/scaling_case.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <numeric>

#include "benchmarks/batches.h"
#include "benchmarks/combine.h"
#include "lockstep/comm/transport.h"
#include "lockstep/core/random.h"
#include "lockstep/ops/rows.h"
#include "lockstep/parallel/checkpointer.h"

namespace lockstep::bench {
namespace {

constexpr std::int64_t different_batches = 8;
constexpr std::int64_t steps_between_saves = 50;

// A folder for checkpoints that goes with its owner.
class Scratch {
 public:
  Scratch()
      : folder_(std::filesystem::temp_directory_path() /
                ("lockstep-bench-scaling-" + std::to_string(getpid()))) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
};

// A model in training, in a world of its own.
class Side {
 public:
  Side(const Workload& workload, std::unique_ptr<comm::Communicator> ranks, int shards,
       const DataParallelOptions& options, const Inputs& inputs, core::Range mine)
      : world_(std::move(ranks), {.shards = shards}) {
    core::manual_seed(2);
    model_ = workload.model();
    optimizer_ = workload.optimizer(model_->parameters());
    ranks_ = std::make_unique<DataParallel>(*model_, *optimizer_, world_, options);
    batches_ = cut_batches(inputs, mine, world_.shards());
  }

  void save_regularly() {
    checkpointer_ = std::make_unique<parallel::Checkpointer>(world_.communicator());
  }

  StepReport step() {
    const Batch& batch = batches_[static_cast<std::size_t>(steps_++) % batches_.size()];
    StepReport report = ranks_->step(
        batch, [this](const Part& part) { return cross_entropy((*model_)(part.x), part.y); });
    if (checkpointer_ && steps_ % steps_between_saves == 0) save();
    return report;
  }

 private:
  void save() {
    ranks_->gather_optimizer_state();
    checkpointer_->save(
        scratch_.folder(),
        {.model = model_->state(), .optimizer = optimizer_->state(), .progress = {.step = steps_}});
  }

  World world_;
  std::unique_ptr<nn::Sequential> model_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::unique_ptr<DataParallel> ranks_;
  std::vector<Batch> batches_;
  std::int64_t steps_ = 0;
  Scratch scratch_;
  std::unique_ptr<parallel::Checkpointer> checkpointer_;
};

struct Stretch {
  std::vector<double> seconds;
  std::vector<double> waits;
};

// The first step after the other side's finds caches full of that side's data, and is not timed.
Stretch trained(Side& side, int steps, comm::Communicator& launched) {
  Stretch stretch;
  for (int i = 0; i <= steps; ++i) {
    launched.barrier();
    const double begin = now();
    const StepReport report = side.step();
    const double seconds = now() - begin;
    if (i == 0) continue;
    stretch.seconds.push_back(seconds);
    stretch.waits.push_back(report.waited_seconds);
  }
  combine(launched, stretch.seconds, comm::Reduce::max);
  combine(launched, stretch.waits, comm::Reduce::max);
  return stretch;
}

void append(std::vector<double>& to, const std::vector<double>& values) {
  to.insert(to.end(), values.begin(), values.end());
}

// One number for a stretch.
double time_of(const Stretch& stretch, Against against) {
  const bool is_of_every_step = against == Against::solo || against == Against::fast;
  if (is_of_every_step) return quantile(stretch.seconds, 0.5);
  const double sum = std::accumulate(stretch.seconds.begin(), stretch.seconds.end(), 0.0);
  return sum / static_cast<double>(stretch.seconds.size());
}

std::unique_ptr<Side> other_side(const Workload& workload, const ScalingCase& setting,
                                 const ScalingOptions& options, const Inputs& inputs,
                                 comm::Communicator& ranks) {
  if (setting.against == Against::solo) {
    const core::Range share = core::part_of(options.batch, ranks.rank(), ranks.size());
    const int own_shards =
        std::max(1, core::shards_of(ranks.rank(), ranks.size(), setting.shards).count());
    return std::make_unique<Side>(workload, comm::self(), own_shards,
                                  DataParallelOptions{.tail = Tail::plain}, inputs, share);
  }
  DataParallelOptions without = setting.options;
  if (setting.against == Against::fast) without.mode = SumMode::fast;
  if (setting.against == Against::unguarded) without.check_every = 0;
  return std::make_unique<Side>(workload, ranks.split(0, ranks.rank()), setting.shards, without,
                                inputs, core::Range{0, options.batch});
}

}  // namespace

std::vector<std::string> against_names() { return {"solo", "fast", "unguarded", "unsaved"}; }

ScalingTimes measure_scaling(const Workload& workload, const ScalingCase& setting,
                             const ScalingOptions& options, comm::Communicator& ranks) {
  const Inputs inputs = random_inputs(workload, different_batches, options.batch);
  Side together(workload, ranks.split(0, ranks.rank()), setting.shards, setting.options, inputs,
                {0, options.batch});
  if (setting.against == Against::unsaved) together.save_regularly();
  const std::unique_ptr<Side> other = other_side(workload, setting, options, inputs, ranks);
  for (Side* side : {&together, other.get()}) trained(*side, options.warmup, ranks);
  std::vector<double> steps, others, waits;
  ScalingTimes times;
  for (int pair = 0; pair < options.pairs; ++pair) {
    Stretch stretches[2];  // together, other
    for (const int turn : {pair % 2, 1 - pair % 2})
      stretches[turn] = trained(turn == 0 ? together : *other, options.steps, ranks);
    const double step = time_of(stretches[0], setting.against);
    const double without = time_of(stretches[1], setting.against);
    times.cost.push_back((step - without) / without);
    append(steps, stretches[0].seconds);
    append(others, stretches[1].seconds);
    append(waits, stretches[0].waits);
  }
  times.step = timing_of(steps);
  times.other = timing_of(others);
  times.wait_seconds = quantile(waits, 0.5);
  return times;
}

}  // namespace lockstep::bench
