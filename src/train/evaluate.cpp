#include "lockstep/train/evaluate.h"

#include <cstddef>
#include <vector>

#include "lockstep/autograd/grad_mode.h"
#include "lockstep/obs/activity.h"
#include "lockstep/ops/reduce.h"
#include "lockstep/ops/rows.h"

namespace lockstep::train {
namespace {

struct ShardScore {
  double loss = 0;
  double correct = 0;
  double samples = 0;
};

// Every shard's sums on every rank: a shard belongs to one rank, the others add zeros, which is
// exact.
std::vector<ShardScore> gathered(std::vector<ShardScore> scores, World& world) {
  const auto count = static_cast<std::int64_t>(scores.size() * sizeof(ShardScore) / sizeof(double));
  const core::Buffer buffer{scores.data(), count, DType::f64};
  world.communicator()
      .all_reduce(buffer, buffer, comm::Reduce::sum, core::current_stream({}))
      .wait();
  return scores;
}

// The mode that a model had comes back even when an exception passes.
class Evaluating {
 public:
  explicit Evaluating(nn::Module& model) : model_(model), was_training_(model.is_training()) {
    model_.eval();
  }
  Evaluating(const Evaluating&) = delete;
  Evaluating& operator=(const Evaluating&) = delete;
  ~Evaluating() {
    if (was_training_) model_.train();
  }

 private:
  nn::Module& model_;
  bool was_training_;
  NoGrad no_grad_;
};

PartScore classifier_score(nn::Module& model, const data::Batch& part) {
  const Tensor logits = model(part.x);
  const auto picked = argmax(logits, -1).to_vector<std::int64_t>();
  const auto targets = part.y.to_vector<std::int64_t>();
  PartScore score;
  score.loss = cross_entropy(logits, part.y).item() * static_cast<double>(part.count);
  for (std::size_t i = 0; i < picked.size(); ++i) score.correct += picked[i] == targets[i] ? 1 : 0;
  return score;
}

}  // namespace

Score evaluate(data::Loader& loader, World& world, const Measure& measure) {
  const obs::Activity activity("evaluate");
  const core::ShardRange shards = world.shards();
  std::vector<ShardScore> scores(static_cast<std::size_t>(shards.total));
  for (const data::GlobalBatch& batch : loader.epoch(0)) {
    for (std::size_t i = 0; i < batch.parts.size(); ++i) {
      const data::Batch& part = batch.parts[i];
      if (part.count == 0) continue;
      const PartScore score = measure(part);
      ShardScore& sums = scores[static_cast<std::size_t>(shards.first) + i];
      sums.loss += score.loss;
      sums.correct += score.correct;
      sums.samples += static_cast<double>(part.count);
    }
  }
  ShardScore all;
  for (const ShardScore& each : gathered(std::move(scores), world)) {
    all.loss += each.loss;
    all.correct += each.correct;
    all.samples += each.samples;
  }
  return {all.loss / all.samples, all.correct / all.samples,
          static_cast<std::int64_t>(all.samples)};
}

Score evaluate(nn::Module& model, data::Loader& loader, World& world) {
  const Evaluating scope(model);
  return evaluate(loader, world,
                  [&](const data::Batch& part) { return classifier_score(model, part); });
}

}  // namespace lockstep::train
