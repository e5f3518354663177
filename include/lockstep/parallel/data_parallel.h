// Trains one model on all ranks of a world: every step computes the gradient of the mean loss over
// the global batch.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <vector>

#include "lockstep/comm/world.h"
#include "lockstep/nn/module.h"
#include "lockstep/optim/optimizer.h"
#include "lockstep/tensor/state.h"

namespace lockstep {

// lockstep: the same bits on any number of ranks. fast: the same semantics, sums in whatever order
// is fastest.
enum class SumMode : std::uint8_t { lockstep, fast };

// What follows when replicas that must be equal are not: an Error that names tensors and ranks; or,
// where more than half of the ranks agree, the others get their values and a warning tells.
enum class OnDivergence : std::uint8_t { stop, repair };

// Who updates the parameters; the bits do not depend on it. plain: every rank updates all of them
// from the whole gradient. fused: each rank reduces a slice of every bucket, updates it and gives
// the new parameters to the others, so that it keeps and touches its share of the optimizer's state
// only. automatic: after a trial of 13 steps, the one that is faster on the slowest rank.
enum class Tail : std::uint8_t { automatic, plain, fused };

struct DataParallelOptions {
  SumMode mode = SumMode::lockstep;
  double clip_norm = 0;           // limit of the global gradient norm; 0: none
  std::uint64_t seed = 0;         // of dropout and other random operations
  std::int64_t bucket_bytes = 0;  // least size of a bucket; 0: planned from what the link costs
  Tail tail = Tail::automatic;
  bool requires_finite_loss = true;  // refuse to update from a loss that is NaN or infinite
  std::int64_t check_every = 100;    // steps between comparisons of all replicas; 0: never
  OnDivergence on_divergence = OnDivergence::stop;
  // Rank 0 warns of a rank that is the slowest, by more than this share of a step, over so many
  // steps.
  double straggler_share = 0.2;
  int straggler_steps = 100;  // 0: never
  // Records a shard's forward and backward pass once for each shape of a batch, and replays it: see
  // Captured. The batch's parts have `x` and `y`, all that changes from step to step.
  bool capture = false;
};

struct StepReport {
  std::int64_t step = 0;     // 1 for the first
  double loss = 0;           // mean over the global batch
  double weight = 0;         // of the global batch: its samples, unless the loss says otherwise
  double gradient_norm = 0;  // before clipping; 0 without clip_norm and loss scaler
  double loss_scale = 1;     // of this step's backward
  bool is_skipped = false;   // a gradient was not finite, and the loss scaler left the step out
  double seconds = 0;
  double waited_seconds = 0;       // in communication that nothing hid
  int slowest_rank = 0;            // the last to have its gradients
  std::vector<double> rank_waits;  // by rank: the seconds that it came before the slowest
};

// The loss of one shard as a mean, and its weight in the mean over the global batch (e.g. tokens).
struct WeightedLoss {
  Tensor loss;
  double weight = 0;
};

// Does not own model, optimizer or world; rank 0's parameters and buffers are given to all ranks at
// construction. A batch has `count`, the samples of all ranks, and `parts`, one for each shard of
// this rank in order, each with its own `count` (0 for an empty shard). Shards that are uneven,
// empty or more than ranks are legal. The optimizer's arenas are moved to memory that the ranks can
// read from each other, and laid out anew after the first step; all handles follow.
class DataParallel {
 public:
  using Options = DataParallelOptions;

  // Collective. UsageError on every rank where versions, options, parameters, shards, threads or
  // backends differ between ranks; it names a rank and the first difference.
  DataParallel(nn::Module& model, optim::Optimizer& optimizer, World& world,
               const DataParallelOptions& options = {},
               std::source_location where = std::source_location::current());
  DataParallel(const DataParallel&) = delete;
  DataParallel& operator=(const DataParallel&) = delete;
  ~DataParallel();

  // Forward, backward, communication and update. `loss(part)` gives the mean loss over a part, or a
  // WeightedLoss. It is called once for each part that is not empty. All ranks must call step
  // together. An exception in the middle leaves the ranks apart: the others get a CommError, and
  // later steps are refused. A loss that is not finite leaves all ranks together, after the last
  // step.
  template <class Batch, class Loss> StepReport step(const Batch& batch, Loss&& loss) {
    compute_gradients(batch, std::forward<Loss>(loss));
    return update();
  }
  // step() in two halves: after compute_gradients, gradients() are the means over the global batch.
  template <class Batch, class Loss> void compute_gradients(const Batch& batch, Loss&& loss);
  StepReport update();
  // Copies of the gradients by name, between compute_gradients and update. Zero for a parameter
  // that was not used. All ranks call it.
  State gradients() const;

  // Compares all replicas now, as every `check_every` steps (say, before a checkpoint is saved).
  // All ranks call it, between steps.
  void compare_replicas();

  // Makes the optimizer's state complete on every rank. With the fused tail a rank's own holds the
  // current values of its slices only, and optimizer.state() refuses. All ranks call it between the
  // same two steps before they look at, save or hash optimizer.state(); load what they saved as
  // ever. Costs nothing where the state is complete already.
  void gather_optimizer_state();

  std::int64_t steps() const;
  // Goes on after `steps` steps: what a checkpoint restores.
  void resume_at(std::int64_t steps);

 private:
  using ShardLoss = std::function<std::optional<WeightedLoss>(int part)>;
  // What a captured pass reads of a part; nothing where that cannot be told.
  struct PartInputs {
    std::int64_t count = 0;
    std::vector<Tensor> tensors;
  };
  // What compute_gradients is given; `batch_weight` is the global batch's weight where it is known
  // before the losses are.
  struct Task {
    int parts = 0;
    std::int64_t samples = 0;  // of the global batch
    std::optional<double> batch_weight;
    std::function<PartInputs(int part)> inputs_of;
  };
  void compute(const Task& task, const ShardLoss& loss);

  class Engine;
  std::unique_ptr<Engine> engine_;
};

template <class Batch, class Loss>
void DataParallel::compute_gradients(const Batch& batch, Loss&& loss) {
  using Part = std::remove_cvref_t<decltype(batch.parts[0])>;
  constexpr bool is_weighted =
      std::is_same_v<std::invoke_result_t<Loss&, const Part&>, WeightedLoss>;
  std::optional<double> batch_weight;
  if constexpr (!is_weighted) batch_weight = static_cast<double>(batch.count);
  const ShardLoss loss_of = [&](int index) -> std::optional<WeightedLoss> {
    const Part& part = batch.parts[static_cast<std::size_t>(index)];
    if (part.count == 0) return std::nullopt;
    if constexpr (is_weighted) {
      return loss(part);
    } else {
      return WeightedLoss{loss(part), static_cast<double>(part.count)};
    }
  };
  const auto inputs_of = [&](int index) -> PartInputs {
    const Part& part = batch.parts[static_cast<std::size_t>(index)];
    if constexpr (requires { std::vector<Tensor>{part.x, part.y}; }) {
      return {static_cast<std::int64_t>(part.count), {part.x, part.y}};
    } else {
      return {static_cast<std::int64_t>(part.count), {}};
    }
  };
  compute({static_cast<int>(batch.parts.size()), batch.count, batch_weight, inputs_of}, loss_of);
}

}  // namespace lockstep
