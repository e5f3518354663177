#include "tests/support/damaged_run.h"

#include "lockstep/ops/rows.h"
#include "lockstep/optim/sgd.h"

namespace lockstep::tests {
namespace {

void damage(const Flip& flip, const State& state) {
  for (const auto& [name, tensor] : state) {
    if (name != flip.tensor) continue;
    const auto element =
        static_cast<std::int64_t>(flip.place * static_cast<double>(tensor.elements() - 1));
    flip_bit(tensor, element * 8 * static_cast<std::int64_t>(size_of(tensor.dtype())) + 9);
  }
}

}  // namespace

void flip_bit(const Tensor& x, std::int64_t bit) {
  static_cast<unsigned char*>(x.view().data)[bit / 8] ^= static_cast<unsigned char>(1 << (bit % 8));
}

State everything(nn::Module& model, const optim::Optimizer& optimizer) {
  State all = model.state();
  if (!optimizer.is_state_complete()) return all;
  for (const auto& [name, tensor] : optimizer.state())
    all.emplace_back("optimizer " + name, tensor);
  return all;
}

std::uint64_t fingerprint_after(World& world, const DamagedRun& run) {
  const TrainingRun training{.model = Model::cnn};
  const auto model = model_for(training.model);
  optim::Sgd sgd(model->parameters(), {.lr = 0.05, .momentum = 0.9});
  DataParallel ranks(*model, sgd, world, run.options);
  const auto damage_at = [&](int step, bool is_within_step) {
    for (const Flip& flip : run.flips) {
      if (flip.rank == world.rank() && flip.step == step && flip.is_within_step == is_within_step)
        damage(flip, everything(*model, sgd));
    }
  };
  for (int step = 1; step <= run.steps; ++step) {
    damage_at(step, false);
    ranks.compute_gradients(batch_of(training, step, world.shards()), [&](const Part& part) {
      return cross_entropy((*model)(part.x), part.y);
    });
    damage_at(step, true);
    ranks.update();
  }
  ranks.gather_optimizer_state();
  return fingerprint(everything(*model, sgd));
}

}  // namespace lockstep::tests
