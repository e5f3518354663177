// One training step over shards: who computes what, when buckets start, and what is waited for.
#pragma once

#include <chrono>
#include <vector>

#include "lockstep/parallel/data_parallel.h"
#include "lockstep/parallel/shard_tree.h"
#include "src/parallel/bucket_exchange.h"
#include "src/parallel/divergence_guard.h"
#include "src/parallel/step_summary.h"
#include "src/parallel/stragglers.h"

namespace lockstep {

class DataParallel::Engine {
 public:
  Engine(nn::Module& model, optim::Optimizer& optimizer, World& world, const Options& options);

  void compute(int parts, std::optional<double> batch_weight, const ShardLoss& loss);
  StepReport update();
  State gradients();
  void compare_replicas() { guard_.compare(steps + 1); }

  std::int64_t steps = 0;

 private:
  using Clock = std::chrono::steady_clock;

  void share_rank_0_state(nn::Module& model);
  void plan_exchanges();
  bool is_plan_current() const;
  void compute_shard(int index, const ShardLoss& loss, std::optional<double> batch_weight);
  void backward_from(const WeightedLoss& computed, std::optional<double> batch_weight);
  // Marks the parameters that have a gradient, and makes the others' gradients zero.
  void record_used_parameters();
  void wait_for_gradients();
  void check_finite();
  void update_parameters(const std::vector<bool>& used);
  template <class Wait> void timed(const Wait& wait);

  optim::Optimizer& optimizer_;
  World& world_;
  Options options_;
  core::ShardRange shards_;
  parallel::ShardSchedule schedule_;
  std::vector<std::unique_ptr<parallel::BucketExchange>> exchanges_;  // one for each arena
  std::vector<bool> planned_frozen_;
  parallel::StepSummary summary_;
  parallel::DivergenceGuard guard_;
  parallel::Stragglers stragglers_;
  bool has_gradients_ = false;
  bool is_weight_pending_ = false;  // the gradients still have to be divided by the batch's weight
  Clock::time_point started_;
  Clock::duration waited_{};
};

}  // namespace lockstep
