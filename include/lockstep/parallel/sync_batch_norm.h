// Batch normalisation over the whole global batch, for batches whose shards are small.
#pragma once

#include <cstdint>

#include "lockstep/comm/world.h"
#include "lockstep/nn/module.h"
#include "lockstep/nn/norm.h"

namespace lockstep::parallel {

// nn::BatchNorm whose moments, while training, are those of all shards together: what one process
// would compute from the global batch. Shards' moments are joined along the summation tree, so the
// bits depend on the number of shards only. Forward and backward are collective, so every rank must
// pass one shard at the same time: UsageError unless the world has as many shards as ranks. Holds
// the same parameters and buffers as nn::BatchNorm. Does not own the world.
class SyncBatchNorm final : public nn::Module {
 public:
  using Options = nn::BatchNormOptions;
  SyncBatchNorm(std::int64_t channels, World& world, const Options& options = {});

  Tensor forward(const Tensor& x) override;
  void visit(nn::Visitor& visitor) override;

 private:
  comm::Communicator* ranks_;
  Options options_;
  Tensor weight_;
  Tensor bias_;
  Tensor running_mean_;
  Tensor running_variance_;
};

// Whether the model or one of its children is a SyncBatchNorm.
bool has_sync_batch_norm(nn::Module& model);

}  // namespace lockstep::parallel
