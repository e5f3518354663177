#include "benchmarks/scaling_case.h"

#include <algorithm>
#include <memory>

#include "benchmarks/batches.h"
#include "benchmarks/combine.h"
#include "lockstep/comm/transport.h"
#include "lockstep/core/random.h"
#include "lockstep/ops/rows.h"

namespace lockstep::bench {
namespace {

constexpr std::int64_t different_batches = 8;

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

  StepReport step() {
    const Batch& batch = batches_[static_cast<std::size_t>(steps_++) % batches_.size()];
    return ranks_->step(
        batch, [this](const Part& part) { return cross_entropy((*model_)(part.x), part.y); });
  }

 private:
  World world_;
  std::unique_ptr<nn::Sequential> model_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::unique_ptr<DataParallel> ranks_;
  std::vector<Batch> batches_;
  std::int64_t steps_ = 0;
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

}  // namespace

ScalingTimes measure_scaling(const Workload& workload, const ScalingCase& setting,
                             const ScalingOptions& options, comm::Communicator& ranks) {
  const Inputs inputs = random_inputs(workload, different_batches, options.batch);
  const core::Range share = core::part_of(options.batch, ranks.rank(), ranks.size());
  const int own_shards =
      std::max(1, core::shards_of(ranks.rank(), ranks.size(), setting.shards).count());
  Side together(workload, ranks.split(0, ranks.rank()), setting.shards, setting.options, inputs,
                {0, options.batch});
  Side alone(workload, comm::self(), own_shards, {.tail = Tail::plain}, inputs, share);
  for (Side* side : {&together, &alone}) trained(*side, options.warmup, ranks);
  std::vector<double> steps, solos, waits;
  ScalingTimes times;
  for (int pair = 0; pair < options.pairs; ++pair) {
    Stretch stretches[2];  // together, alone
    for (const int turn : {pair % 2, 1 - pair % 2})
      stretches[turn] = trained(turn == 0 ? together : alone, options.steps, ranks);
    const double step = quantile(stretches[0].seconds, 0.5);
    const double solo = quantile(stretches[1].seconds, 0.5);
    times.exposed.push_back((step - solo) / solo);
    append(steps, stretches[0].seconds);
    append(solos, stretches[1].seconds);
    append(waits, stretches[0].waits);
  }
  times.step = timing_of(steps);
  times.solo = timing_of(solos);
  times.wait_seconds = quantile(waits, 0.5);
  return times;
}

}  // namespace lockstep::bench
