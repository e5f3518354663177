// What a timed training step is given: random batches, cut among the shards.
#pragma once

#include <cstdint>
#include <vector>

#include "benchmarks/workloads.h"
#include "lockstep/core/shard.h"
#include "lockstep/tensor/tensor.h"

namespace lockstep::bench {

struct Part {
  Tensor x;
  Tensor y;
  std::int64_t count = 0;
};
struct Batch {
  std::int64_t count = 0;
  std::vector<Part> parts;
};

// The batches that all ranks train on together: x [batches, batch, ...], y [batches, batch].
struct Inputs {
  Tensor x;
  Tensor y;

  std::int64_t batches() const { return x.size(0); }
};
Inputs random_inputs(const Workload& workload, std::int64_t batches, std::int64_t batch);

// The samples `mine` of each batch, cut among `shards` and copied.
std::vector<Batch> cut_batches(const Inputs& inputs, core::Range mine,
                               const core::ShardRange& shards);

}  // namespace lockstep::bench
