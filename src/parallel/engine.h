// One training step over shards: who computes what, when buckets start, and what is waited for.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "lockstep/autograd/captured.h"
#include "lockstep/parallel/data_parallel.h"
#include "lockstep/parallel/shard_tree.h"
#include "src/parallel/divergence_guard.h"
#include "src/parallel/step_exchange.h"
#include "src/parallel/step_summary.h"
#include "src/parallel/stragglers.h"
#include "src/parallel/tail_choice.h"

namespace lockstep {
namespace parallel {

// ShapeError unless the loss is one number.
void check_loss(const Tensor& loss);

}  // namespace parallel

class DataParallel::Engine {
 public:
  Engine(nn::Module& model, optim::Optimizer& optimizer, World& world, const Options& options,
         const std::source_location& where);

  void compute(const Task& task, const ShardLoss& loss);
  StepReport update();
  State gradients();
  void gather_optimizer_state();
  void compare_replicas() { guard_->compare(steps + 1); }

  std::int64_t steps = 0;

 private:
  using Clock = std::chrono::steady_clock;

  // engine_start.cpp
  void share_rank_0_state(nn::Module& model);
  parallel::BucketSizes bucket_sizes();
  // Plans the buckets for the parameters that are trainable now.
  void plan();
  // After the first step, when the order in which gradients arrive is known.
  void lay_out_by_arrival();

  // engine.cpp
  void check_task(const Task& task) const;
  void begin_step();
  void compute_shard(int index, const Task& task, const ShardLoss& loss);
  // The passes of a shard as they were recorded, or recording them.
  void replay_shard(int index, const Task& task, const ShardLoss& loss);
  void backward_from(const WeightedLoss& computed, std::optional<double> batch_weight);
  bool needs_norm() const { return options_.clip_norm > 0 || optimizer_.loss_scaler() != nullptr; }
  // What gradients are multiplied by until the update divides them.
  double loss_scale() const {
    return optimizer_.loss_scaler() != nullptr ? optimizer_.loss_scaler()->scale() : 1;
  }
  // Marks the parameters that have a gradient, and makes the others' gradients zero.
  void record_used_parameters();
  // Runs a part of a step; an exception out of it ends the ranks' common way.
  template <class Part> void in_step(const Part& part) {
    try {
      part();
    } catch (...) {
      fail();
      throw;
    }
  }
  void fail() noexcept;

  // engine_update.cpp
  void wait_for_gradients();
  void check_finite();
  // The norm of the mean gradients, of all ranks' slices.
  double norm_of_gradients(const std::vector<bool>& used);
  // Updates and installs what the step has made; or leaves all as it was before the step.
  void finish_step(StepReport& report);
  void skip_update();
  void update_parameters(const std::vector<bool>& used);
  // Gives the slices of lane_of(arena, exchange) of all ranks to all of them.
  template <class LaneOf> void share_slices(const LaneOf& lane_of);
  void choose_tail();
  template <class Wait> void timed(const Wait& wait) {
    const auto before = Clock::now();
    wait();
    const Clock::duration wait_time = Clock::now() - before;
    waited_ += wait_time;
    stragglers_->add_wait(wait_time);
  }

  optim::Optimizer& optimizer_;
  World& world_;
  Options options_;
  core::ShardRange shards_;
  parallel::ShardSchedule schedule_;
  bool has_collective_layers_ = false;
  parallel::BucketSizes sizes_;
  std::unique_ptr<parallel::StepExchange> exchange_;
  std::unique_ptr<parallel::StepSummary> summary_;
  std::unique_ptr<parallel::DivergenceGuard> guard_;
  std::unique_ptr<parallel::Stragglers> stragglers_;
  std::unique_ptr<Captured> captured_;
  std::function<Tensor()> shard_loss_;  // of the shard that is being recorded
  parallel::TailChoice tail_;
  parallel::StepPlan step_;
  std::vector<comm::Work> shares_;  // of updated parameters
  bool is_laid_out_ = false;
  bool has_gradients_ = false;
  bool is_weight_pending_ = false;  // the gradients still have to be divided by the batch's weight
  std::int64_t failed_step_ = 0;    // 0: none
  Clock::time_point started_;
  Clock::duration waited_{};
  Clock::duration tail_time_{};
};

}  // namespace lockstep
