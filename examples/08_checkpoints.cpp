// Stops a training in the middle of an epoch and goes on: the weights end with the same bits.
// Saves in the background, and ends with exit code 75 after a SIGUSR1.
#include <cstdio>
#include <filesystem>

#include "lockstep/comm/world.h"
#include "lockstep/core/random.h"
#include "lockstep/data/loader.h"
#include "lockstep/nn/activation.h"
#include "lockstep/nn/dropout.h"
#include "lockstep/nn/linear.h"
#include "lockstep/nn/sequential.h"
#include "lockstep/ops/random.h"
#include "lockstep/ops/rows.h"
#include "lockstep/optim/adamw.h"
#include "lockstep/parallel/checkpoint.h"
#include "lockstep/parallel/checkpointer.h"
#include "lockstep/parallel/data_parallel.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/state.h"
#include "lockstep/train/stop_signal.h"

using namespace lockstep;

constexpr std::uint64_t seed = 3;

// Steps until `last`, from the newest checkpoint of `folder` where there is one. The fingerprint of
// the weights; 0 where a signal stopped it.
std::uint64_t trained(World& world, const std::filesystem::path& folder, std::int64_t last) {
  const core::RandomScope keys(seed, 0, 0);
  nn::Sequential model(nn::Linear(8, 16), nn::Relu(), nn::Dropout(0.2), nn::Linear(16, 3));
  optim::AdamW adam(model.parameters(), {.lr = 1e-2});
  DataParallel ranks(model, adam, world, {.seed = seed});
  const auto samples = data::in_memory(normal({50, 8}), zeros({50}, {.dtype = DType::i64}));
  data::Loader loader(samples, {.batch = 8, .seed = seed}, world.shards());

  parallel::Checkpointer checkpointer(world.communicator(), {.keep = 2});
  train::StopSignal stop(world.communicator());
  parallel::Checkpoint run{model.state(), adam.state(), {}, {}};
  if (parallel::load_checkpoint(folder, run, world.communicator())) {
    ranks.resume_at(run.progress.step);
    loader.restore({run.progress.epoch, run.progress.position});
  }
  const auto save = [&] {
    const auto [epoch, position] = loader.cursor();
    run.progress = {ranks.steps(), seed, epoch, position};
    run.configuration = {{"shards", std::to_string(world.shards().total)}};
    ranks.gather_optimizer_state();
    checkpointer.save(folder, run);
  };
  bool is_stopped = false;
  while (ranks.steps() < last && !is_stopped) {
    for (auto& batch : loader.epoch(loader.cursor().epoch)) {
      ranks.step(batch,
                 [&](const data::Batch& part) { return cross_entropy(model(part.x), part.y); });
      if (ranks.steps() % 4 == 0) save();
      is_stopped = stop.is_requested();
      if (ranks.steps() == last || is_stopped) break;
    }
  }
  save();
  checkpointer.wait();
  return is_stopped ? 0 : fingerprint(model.state());
}

int main(int argc, char** argv) {
  return run(argc, argv, [](World& world) {
    const std::filesystem::path folder = "runs/checkpoints";
    if (world.is_root()) std::filesystem::remove_all(folder);
    world.communicator().barrier();
    const std::uint64_t whole = trained(world, folder / "whole", 20);
    trained(world, folder / "parts", 9);
    const std::uint64_t parts = trained(world, folder / "parts", 20);
    if (whole == 0 || parts == 0) return train::stopped_exit_code;
    if (world.is_root()) std::printf("bits are equal: %s\n", whole == parts ? "yes" : "no");
    return whole == parts ? 0 : 1;
  });
}
