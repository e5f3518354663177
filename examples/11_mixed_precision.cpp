// Mixed precision: layers compute in bf16, parameters and optimizer stay f32. Run it alone, or with
// mpirun -n 2.
#include <cstdio>

#include "lockstep/lockstep.h"

using namespace lockstep;

// Two classes of points: inside and outside of a circle.
data::DatasetPointer circle(std::int64_t count) {
  const core::RandomScope keys(1, 0, 0);
  const Tensor x = uniform({count, 2}, {.low = -1, .high = 1});
  Tensor y = empty({count}, {.dtype = DType::i64});
  for (std::int64_t i = 0; i < count; ++i) {
    const double a = x.at({i, 0}), b = x.at({i, 1});
    y.set({i}, a * a + b * b < 0.5);
  }
  return data::in_memory(x, y);
}

// The loss after five epochs.
double trained(World& world, DType dtype) {
  const core::RandomScope keys(2, 0, 0);
  nn::Sequential model(nn::Linear(2, 32), nn::Relu(), nn::Linear(32, 2));
  model.compute_in(dtype);  // before the optimizer is made
  optim::AdamW adam(model.parameters(), {.lr = 1e-2});
  DataParallel ranks(model, adam, world);
  data::Loader train(circle(4000), {.batch = 100, .seed = 1}, world.shards());

  StepReport report;
  int skipped = 0;  // f16 only: steps whose gradients did not fit
  for (int epoch = 0; epoch < 5; ++epoch) {
    for (auto& batch : train.epoch(epoch)) {
      report = ranks.step(
          batch, [&](const data::Batch& part) { return cross_entropy(model(part.x), part.y); });
      skipped += report.is_skipped ? 1 : 0;
    }
  }
  if (world.is_root()) std::printf("loss %.4f, %d steps skipped\n", report.loss, skipped);
  return report.loss;
}

// One process without DataParallel: the optimizer's own backward scales the loss of f16.
double trained_alone() {
  const core::RandomScope keys(2, 0, 0);
  nn::Sequential model(nn::Linear(2, 8), nn::Tanh(), nn::Linear(8, 1));
  model.compute_in(DType::f16);
  optim::AdamW adam(model.parameters(), {.lr = 1e-2});
  const Tensor x = uniform({256, 2}, {.low = -1, .high = 1});
  const Tensor y = x * x;
  double loss = 0;
  for (int step = 0; step < 200; ++step) {
    const Tensor error = mse(model(x), sum(y, {1}, {.keep_dims = true}));
    adam.backward(error);
    adam.step();
    loss = error.item();
  }
  return loss;
}

int main(int argc, char** argv) {
  return lockstep::run(argc, argv, [](World& world) {
    const double expected = trained(world, DType::f32);
    for (const DType dtype : {DType::bf16, DType::f16}) {
      if (trained(world, dtype) > 1.1 * expected) return 1;
    }
    return trained_alone() < 0.2 ? 0 : 1;
  });
}
