#include "tests/support/training_run.h"

#include "lockstep/base/error.h"
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
#include "lockstep/parallel/checkpoint.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"

namespace lockstep::tests {
namespace {

Tensor labels(std::int64_t count, int step) {
  Tensor y = empty({count}, {.dtype = DType::i64});
  for (std::int64_t i = 0; i < count; ++i) y.data<std::int64_t>()[i] = (i * 7 + step) % 3;
  return y;
}

Tensor with_exchanged(const Tensor& rows, std::pair<int, int> shards, int total) {
  if (shards.first == shards.second) return rows;
  Tensor result = copied(rows);
  const core::Range a = core::part_of(rows.size(0), shards.first, total);
  const core::Range b = core::part_of(rows.size(0), shards.second, total);
  copy_elements(sliced_view(rows, 0, a.begin, a.end), sliced_view(result, 0, b.begin, b.end));
  copy_elements(sliced_view(rows, 0, b.begin, b.end), sliced_view(result, 0, a.begin, a.end));
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
  return sharded(with_exchanged(x, run.exchanged, shards.total),
                 with_exchanged(y, run.exchanged, shards.total), shards);
}

std::unique_ptr<nn::Module> model_for(Model model, bool has_dropout) {
  const core::RandomScope keys(7, 0, 0);
  const double dropped = has_dropout ? 1 : 0;
  if (model == Model::mlp) {
    return std::make_unique<nn::Sequential>(nn::Linear(8, 33), nn::Relu(),
                                            nn::Dropout(0.3 * dropped), nn::Linear(33, 17),
                                            nn::Tanh(), nn::Linear(17, 3));
  }
  const std::int64_t channels = model == Model::cnn ? 5 : 128;
  return std::make_unique<nn::Sequential>(
      nn::Conv2d(1, channels, {.padding = 1}), nn::BatchNorm(channels), nn::Relu(), nn::MaxPool2d(),
      nn::Dropout(0.2 * dropped), nn::Flatten(), nn::Linear(9 * channels, 3));
}

std::uint64_t fingerprint_after(World& world, const TrainingRun& run) {
  return fingerprint_after(world, run, {0, run.steps, {}});
}

std::uint64_t fingerprint_after(World& world, const TrainingRun& run, const Stage& stage) {
  const auto model = model_for(run.model, run.has_dropout);
  model->compute_in(run.compute);
  optim::Sgd sgd(model->parameters(), {.lr = 0.05, .momentum = 0.9});
  if (sgd.loss_scaler() != nullptr) sgd.scale_losses(run.loss_scale);
  DataParallel ranks(*model, sgd, world, run.options);
  if (stage.first > 0) {
    parallel::Checkpoint saved{model->state(), sgd.state(), {}, {}};
    check<IoError>(parallel::load_checkpoint(stage.folder, saved, world.communicator()), [&] {
      return Complaint{stage.folder.string() + " holds no checkpoint", "save one first"};
    });
    ranks.resume_at(saved.progress.step);
  }
  for (int step = stage.first; step < stage.last; ++step) {
    ranks.step(batch_of(run, step, world.shards()),
               [&](const Part& part) { return cross_entropy((*model)(part.x), part.y); });
  }
  ranks.gather_optimizer_state();
  const parallel::Checkpoint end{
      model->state(), sgd.state(), {ranks.steps(), run.options.seed, 0, 0}, {}};
  if (!stage.folder.empty()) parallel::save_checkpoint(stage.folder, end, world.communicator());
  State everything = end.model;
  everything.insert(everything.end(), end.optimizer.begin(), end.optimizer.end());
  return fingerprint(everything);
}

}  // namespace lockstep::tests
