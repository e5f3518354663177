#include "tests/support/training_run.h"

#include "lockstep/core/random.h"
#include "lockstep/nn/activation.h"
#include "lockstep/nn/conv.h"
#include "lockstep/nn/dropout.h"
#include "lockstep/nn/linear.h"
#include "lockstep/nn/norm.h"
#include "lockstep/nn/sequential.h"
#include "lockstep/ops/random.h"
#include "lockstep/ops/rows.h"
#include "lockstep/optim/sgd.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"

namespace lockstep::tests {
namespace {

Tensor labels(std::int64_t count, int step) {
  Tensor y = empty({count}, {.dtype = DType::i64});
  for (std::int64_t i = 0; i < count; ++i) y.data<std::int64_t>()[i] = (i * 7 + step) % 3;
  return y;
}

// Exchanges the first two quarters, which are the first two of four equal shards.
Tensor permuted(const Tensor& rows) {
  const std::int64_t quarter = rows.size(0) / 4;
  Tensor result = copied(rows);
  copy_elements(sliced_view(rows, 0, 0, quarter), sliced_view(result, 0, quarter, 2 * quarter));
  copy_elements(sliced_view(rows, 0, quarter, 2 * quarter), sliced_view(result, 0, 0, quarter));
  return result;
}

}  // namespace

ShardedBatch sharded(const Tensor& x, const Tensor& y, const core::ShardRange& shards) {
  ShardedBatch batch{{}, x.size(0)};
  for (int shard = shards.first; shard < shards.last; ++shard) {
    const core::Range rows = core::part_of(batch.count, shard, shards.total);
    batch.parts.push_back({sliced_view(x, 0, rows.begin, rows.end),
                           sliced_view(y, 0, rows.begin, rows.end), rows.count()});
  }
  return batch;
}

ShardedBatch batch_of(const TrainingRun& run, int step, const core::ShardRange& shards) {
  const std::int64_t count = step % 5 == 4 ? run.last_batch : run.batch;
  const core::RandomScope keys(99, static_cast<std::uint32_t>(step), 0);
  const Shape shape = run.model == Model::mlp ? Shape{count, 8} : Shape{count, 6, 6, 1};
  const Tensor x = normal(shape);
  const Tensor y = labels(count, step);
  return run.permutes_shards ? sharded(permuted(x), permuted(y), shards) : sharded(x, y, shards);
}

std::unique_ptr<nn::Module> model_for(Model model) {
  const core::RandomScope keys(7, 0, 0);
  if (model == Model::mlp) {
    return std::make_unique<nn::Sequential>(nn::Linear(8, 33), nn::Relu(), nn::Dropout(0.3),
                                            nn::Linear(33, 17), nn::Tanh(), nn::Linear(17, 3));
  }
  const std::int64_t channels = model == Model::cnn ? 5 : 128;
  return std::make_unique<nn::Sequential>(
      nn::Conv2d(1, channels, {.padding = 1}), nn::BatchNorm(channels), nn::Relu(), nn::MaxPool2d(),
      nn::Dropout(0.2), nn::Flatten(), nn::Linear(9 * channels, 3));
}

std::uint64_t fingerprint_after(World& world, const TrainingRun& run) {
  const auto model = model_for(run.model);
  optim::Sgd sgd(model->parameters(), {.lr = 0.05, .momentum = 0.9});
  DataParallel ranks(*model, sgd, world, run.options);
  for (int step = 0; step < run.steps; ++step) {
    ranks.step(batch_of(run, step, world.shards()),
               [&](const Part& part) { return cross_entropy((*model)(part.x), part.y); });
  }
  ranks.gather_optimizer_state();
  State everything = model->state();
  for (const auto& entry : sgd.state()) everything.push_back(entry);
  return fingerprint(everything);
}

}  // namespace lockstep::tests
