// One setting of data-parallel training, timed in turn with the same training without any exchange.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "benchmarks/harness.h"
#include "benchmarks/workloads.h"
#include "lockstep/parallel/data_parallel.h"

namespace lockstep::bench {

struct ScalingCase {
  int shards = 0;  // of the global batch
  DataParallelOptions options;
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
  Timing solo;
  std::vector<double> exposed;  // of each pair: (step - solo) / solo
  double wait_seconds = 0;      // median
};

// Trains `workload` on all `ranks` and, in turn, on each of them alone with its share of batch and
// shards and the plain update. Collective.
ScalingTimes measure_scaling(const Workload& workload, const ScalingCase& setting,
                             const ScalingOptions& options, comm::Communicator& ranks);

}  // namespace lockstep::bench
