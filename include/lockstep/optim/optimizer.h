// What all optimizers share: groups of parameters in arenas, the step in three parts, learning rate
// and state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lockstep/kernels/calls.h"
#include "lockstep/optim/arena.h"
#include "lockstep/optim/loss_scaler.h"
#include "lockstep/tensor/state.h"

namespace lockstep::optim {

struct GroupOptions {
  double lr_scale = 1;                 // times the optimizer's learning rate
  std::optional<double> weight_decay;  // instead of the optimizer's
  bool decays_vectors = true;  // false: parameters of rank 0 and 1 (biases, norms) are not decayed
};

// Parameters that share options.
struct ParameterGroup {
  State parameters;
  GroupOptions options;
};
using ParameterGroups = std::vector<ParameterGroup>;

// A step is step(), or its three parts where gradients become final one bucket after the other:
// begin_step(), update() once for every element, finish_step().
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // Backward from the loss: lockstep::backward, times the loss scale where there is one.
  void backward(const Tensor& loss);
  // Updates every parameter that has a gradient and consumes the gradient; the others keep value
  // and state. With a loss scaler, false where a gradient is not finite: then nothing is updated.
  // UsageError where the gradients are not of backward() then.
  bool step();

  // Scales losses from now on; with parameters that compute in f16 (Module::compute_in) an
  // optimizer does so from the start.
  void scale_losses(const LossScalerOptions& options = {}) { loss_scaler_.emplace(options); }
  // Null: none.
  LossScaler* loss_scaler() { return loss_scaler_ ? &*loss_scaler_ : nullptr; }
  const LossScaler* loss_scaler() const { return loss_scaler_ ? &*loss_scaler_ : nullptr; }

  // Takes note of who takes part and counts their steps. `takes_part` speaks of parameters() by
  // position; without it those that have a gradient take part. Frozen parameters never do.
  void begin_step();
  void begin_step(const std::vector<bool>& takes_part);
  // Updates the elements of `range` of arenas()[arena] that take part. Segments may be cut
  // anywhere. `is_from_peers`: other processes wrote their gradients last.
  void update(int arena, core::Range range, bool is_from_peers = false);
  // Consumes the gradients and sets gradient_scale() back to 1.
  void finish_step();
  // Forgets the gradients without an update.
  void discard_gradients();

  // Gradients are multiplied by it during the update: 1, times all factors given since the last
  // step.
  double gradient_scale() const { return gradient_scale_; }
  void scale_gradients(double factor) { gradient_scale_ *= factor; }

  double learning_rate() const;
  void use_learning_rate(double rate);
  // Updates so far: the most that any parameter took part in.
  std::int64_t steps() const;

  // All parameters in registration order: group by group, as they were given.
  const State& parameters() const { return parameters_; }
  // Position by position in parameters(): is there a gradient to use?
  std::vector<bool> with_gradient() const;
  // What parameters compute in (Module::compute_in): the first shadow's dtype, if there is one.
  std::optional<DType> half_precision() const;
  // One arena for each dtype and device, in order of first appearance.
  std::vector<Arena>& arenas() { return arenas_; }
  const std::vector<Arena>& arenas() const { return arenas_; }

  // "learning_rate", "steps" (of each parameter), the loss scaler's if there is one and, by name,
  // each state of each parameter ("momentum.0.weight"); the tensors are the optimizer's own memory,
  // so that load_state fills them. UsageError while the state is incomplete.
  State state() const;
  void load_state(const State& from);

  // A data-parallel engine that updates only this rank's elements here declares the state
  // incomplete, and complete again when it has fetched the others' (DataParallel::
  // gather_optimizer_state).
  bool is_state_complete() const { return is_state_complete_; }
  void declare_state_complete(bool is_complete) { is_state_complete_ = is_complete; }

 protected:
  // `state_names` has one name for each state that `rule` (kernels/math/update.h) keeps.
  Optimizer(const ParameterGroups& groups, double lr, kernels::OpId rule,
            std::vector<std::string> state_names);
  // The rule's constants; learning rate, scale, step and a group's own weight decay are filled in
  // by the base.
  virtual kernels::UpdateScalars constants() const = 0;

 private:
  void write_scalars(const Segment& segment);
  State state_places() const;
  bool is_updated_alike(const Segment& a, const Segment& b) const;
  void update_run(const Arena& arena, core::Range run, const Segment& head, bool is_from_peers);
  std::int64_t* step_counts() const;
  void declare_shadows_current();

  State parameters_;
  std::vector<GroupOptions> groups_;
  std::vector<Arena> arenas_;
  kernels::OpId rule_;
  std::vector<std::string> state_names_;
  Tensor learning_rate_;  // f64 [1]
  Tensor steps_;          // i64 [parameters]
  double gradient_scale_ = 1;
  bool is_state_complete_ = true;
  std::optional<LossScaler> loss_scaler_;
  bool is_loss_scaled_ = false;        // backward() made the gradients
  std::vector<bool> takes_part_;       // empty between steps
  std::vector<std::int64_t> updated_;  // elements of each parameter, in this step
  std::vector<kernels::UpdateScalars>
      scalars_;  // by parameter; kernels read them through a pointer
};

// One group of all parameters, with the defaults of GroupOptions.
ParameterGroups one_group(State parameters);

}  // namespace lockstep::optim
