// One model on all ranks of the job: run it alone, or with mpirun -n 2.
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

int main(int argc, char** argv) {
  return lockstep::run(argc, argv, [](World& world) {
    nn::Sequential model(nn::Linear(2, 32), nn::Relu(), nn::Linear(32, 2));
    optim::AdamW adam(model.parameters(), {.lr = 1e-2});
    DataParallel ranks(model, adam, world);  // broadcasts rank 0's weights
    data::Loader train(circle(4000), {.batch = 100, .seed = 1}, world.shards());

    double loss = 0;
    for (int epoch = 0; epoch < 5; ++epoch) {
      for (auto& batch : train.epoch(epoch)) {
        const StepReport report = ranks.step(
            batch, [&](const data::Batch& part) { return cross_entropy(model(part.x), part.y); });
        loss = report.loss;
      }
    }
    if (world.is_root()) std::printf("loss %.4f on %d ranks\n", loss, world.size());
    if (world.is_root()) io::save_safetensors("circle.safetensors", model.state());
    return loss < 0.2 ? 0 : 1;
  });
}
