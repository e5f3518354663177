// Small training runs whose result can be compared bit for bit between worlds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "lockstep/nn/module.h"
#include "lockstep/optim/loss_scaler.h"
#include "lockstep/parallel/data_parallel.h"

namespace lockstep::tests {

struct Part {
  Tensor x;
  Tensor y;
  std::int64_t count = 0;
};
// What DataParallel::step takes: this rank's shards of a global batch.
struct ShardedBatch {
  std::vector<Part> parts;
  std::int64_t count = 0;
};

// Rows of x and y cut among all shards; those of `shards` are kept.
ShardedBatch sharded(const Tensor& x, const Tensor& y, const core::ShardRange& shards);

enum class Model { mlp, cnn, wide_cnn };

struct TrainingRun {
  Model model = Model::mlp;
  int steps = 50;
  std::int64_t batch = 10;      // not a multiple of the shards: they are uneven
  std::int64_t last_batch = 3;  // of every fifth step: with four shards one is empty
  bool has_dropout = true;
  DType compute = DType::f32;  // what layers compute in, and the loss scale where that is f16
  optim::LossScalerOptions loss_scale = {};
  // The equal shards whose samples change places.
  std::pair<int, int> exchanged = {0, 0};
  DataParallelOptions options = {.seed = 5, .bucket_bytes = 600};
};

// The samples of a step, cut among the shards.
ShardedBatch batch_of(const TrainingRun& run, int step, const core::ShardRange& shards);
// An MLP with dropout (8 inputs, 3 classes), or a CNN with batch normalisation and dropout (6 x 6 x
// 1), with 5 channels or, wide, with 128.
std::unique_ptr<nn::Module> model_for(Model model, bool has_dropout = true);
// Trains with momentum; the fingerprint covers parameters, buffers and the optimizer's state.
std::uint64_t fingerprint_after(World& world, const TrainingRun& run);

// Steps [first, last) of a run. What `folder` holds is loaded where there were steps before, and
// the end is saved there; nothing without a folder.
struct Stage {
  int first = 0;
  int last = 0;
  std::filesystem::path folder;
};
std::uint64_t fingerprint_after(World& world, const TrainingRun& run, const Stage& stage);

}  // namespace lockstep::tests
