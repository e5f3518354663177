// A whole run in a few lines: epochs, progress, evaluation, metrics, curves, checkpoints and
// resuming.
#include <cstdio>
#include <filesystem>
#include <string_view>

#include "lockstep/comm/world.h"
#include "lockstep/core/random.h"
#include "lockstep/data/loader.h"
#include "lockstep/nn/linear.h"
#include "lockstep/nn/sequential.h"
#include "lockstep/ops/index.h"
#include "lockstep/ops/pointwise.h"
#include "lockstep/ops/random.h"
#include "lockstep/ops/views.h"
#include "lockstep/optim/sgd.h"
#include "lockstep/parallel/configuration.h"
#include "lockstep/train/trainer.h"

using namespace lockstep;

// Points around ten centres on a line; the target is the centre's number.
data::DatasetPointer points(std::int64_t count, std::uint64_t seed) {
  const core::RandomScope keys(seed, 0, 0);
  const Tensor y = cast(uniform({count}, {.high = 10}), DType::i64);
  const Tensor x = one_hot(y, 10) + normal({count, 10}, {.deviation = 0.2});
  return data::in_memory(x, y);
}

// 06_trainer [--resume DIR] [--exact]
int main(int argc, char** argv) {
  std::filesystem::path folder = "trainer_example";
  bool resume = false;
  bool is_exact = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--exact") is_exact = true;
    if (argument == "--resume" && i + 1 < argc) {
      resume = true;
      folder = argv[++i];
    }
  }
  return run(argc, argv, [&](World& world) {
    if (resume) parallel::use_pinned(world, folder / "last");
    core::manual_seed(1);
    nn::Sequential model(nn::Linear(10, 32), nn::Relu(), nn::Linear(32, 10));
    optim::Sgd sgd(model.parameters(), {.momentum = 0.9});
    data::Loader train(points(2000, 1), {.batch = 50, .seed = 1}, world.shards());
    data::Loader test(points(500, 2), {.batch = 250, .shuffle = false}, world.shards());

    train::Trainer trainer(model, sgd, world,
                           {.epochs = 5,
                            .folder = folder,
                            .title = "Ten centres",
                            .resume = resume,
                            .is_exact = is_exact,
                            .stops_at_signal = true,
                            .schedule = optim::cosine_schedule(
                                {.peak = 0.05, .steps = 5 * train.batches(), .warmup = 20})});
    const train::TrainerReport report = trainer.fit(train, test);
    if (report.is_stopped) return report.exit_code();

    if (world.is_root()) {
      std::printf("%lld steps, test accuracy %.3f, best %.3f\n",
                  static_cast<long long>(report.steps), report.score.accuracy,
                  report.best.accuracy);
    }
    return report.score.accuracy > 0.95 ? 0 : 1;
  });
}
