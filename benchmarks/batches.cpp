#include "benchmarks/batches.h"

#include "lockstep/core/random.h"
#include "lockstep/ops/pointwise.h"
#include "lockstep/ops/random.h"
#include "lockstep/ops/views.h"
#include "lockstep/tensor/views.h"

namespace lockstep::bench {
namespace {

// Samples `range` of batch `index`, copied to memory of their own.
Part part_of_batch(const Inputs& inputs, std::int64_t index, core::Range range) {
  const auto rows = [&](const Tensor& all) {
    const Tensor batch = sliced_view(all, 0, index, index + 1);
    const Tensor part = copied(sliced_view(batch, 1, range.begin, range.end));
    return reshaped_view(part, part.shape().without(0));
  };
  return {rows(inputs.x), rows(inputs.y), range.count()};
}

}  // namespace

Inputs random_inputs(const Workload& workload, std::int64_t batches, std::int64_t batch) {
  core::manual_seed(1);
  const std::int64_t samples = batches * batch;
  const Tensor x = normal({samples, workload.sample_shape.elements()});
  const Tensor classes = uniform({samples}, {.high = static_cast<double>(workload.classes)});
  Shape shape{batches, batch};
  for (const std::int64_t size : workload.sample_shape) shape.append(size);
  return {reshape(x, shape), reshape(cast(classes, DType::i64), {batches, batch})};
}

std::vector<Batch> cut_batches(const Inputs& inputs, core::Range mine,
                               const core::ShardRange& shards) {
  std::vector<Batch> batches;
  for (std::int64_t i = 0; i < inputs.batches(); ++i) {
    Batch& batch = batches.emplace_back();
    batch.count = mine.count();
    for (int shard = shards.first; shard < shards.last; ++shard) {
      const core::Range part = core::part_of(mine.count(), shard, shards.total);
      batch.parts.push_back(
          part_of_batch(inputs, i, {mine.begin + part.begin, mine.begin + part.end}));
    }
  }
  return batches;
}

}  // namespace lockstep::bench
