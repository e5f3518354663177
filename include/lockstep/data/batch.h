// What a loader hands out: this rank's shards of one global batch.
#pragma once

#include <cstdint>
#include <vector>

#include "lockstep/tensor/tensor.h"

namespace lockstep::data {

// The samples of one shard, stacked along axis 0.
struct Batch {
  Tensor x;
  Tensor y;
  std::int64_t count = 0;  // may be 0: then x and y have no rows
};

// This rank's shards in order, and how many samples the shards of all ranks hold together.
struct GlobalBatch {
  std::vector<Batch> parts;
  std::int64_t count = 0;
};

}  // namespace lockstep::data
