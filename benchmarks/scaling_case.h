// One setting of data-parallel training, timed in turn with the same training without something.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "benchmarks/harness.h"
#include "benchmarks/workloads.h"
#include "lockstep/parallel/data_parallel.h"

namespace lockstep::bench {

// What a setting is compared with.
enum class Against : std::uint8_t {
  solo,       // as many independent ranks, each with its share of batch and shards and the plain
              // update: no exchange
  fast,       // the same ranks, which add in any order: plain accumulation
  unguarded,  // the same ranks, which never compare their replicas
  unsaved     // the same ranks; the setting itself saves every 50 steps in the background
};
std::vector<std::string> against_names();

struct ScalingCase {
  int shards = 0;  // of the global batch
  DataParallelOptions options;
  Against against = Against::solo;
  std::string name;  // "8 shards, planned buckets ..."
};

struct ScalingOptions {
  std::int64_t batch = 0;  // of all ranks together
  int pairs = 15;
  int steps = 10;  // of each side of a pair
  int warmup = 20;
};

// Times are those of the slowest rank.
struct ScalingTimes {
  Timing step;
  Timing other;
  std::vector<double> cost;  // of each pair: (step - other) / other
  double wait_seconds = 0;   // median
};

// Trains `workload` on all `ranks` and, in turn, as the setting says. What falls on every step is
// compared by the medians of each stretch, what falls on a few by the means. Collective.
ScalingTimes measure_scaling(const Workload& workload, const ScalingCase& setting,
                             const ScalingOptions& options, comm::Communicator& ranks);

}  // namespace lockstep::bench
