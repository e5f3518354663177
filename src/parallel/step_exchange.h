// The gradients of all arenas on their way: which bucket starts when, on every rank in the same
// order.
#pragma once

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "lockstep/optim/optimizer.h"
#include "src/parallel/bucket_exchange.h"

namespace lockstep::parallel {

struct StepExchangeOptions {
  bool is_exact = true;
  // Buckets start while backward runs; else when it is over, so that collectives of the model's own
  // keep their place on every rank.
  bool is_early = true;
  std::int64_t norm_grain = 0;  // elements of a parameter that no slice may cut; 0: none
};

class StepExchange {
 public:
  // Moves the arenas to the communicator's memory. Collective.
  StepExchange(optim::Optimizer& optimizer, comm::Communicator& communicator,
               const core::ShardRange& shards, const StepExchangeOptions& options);

  // Plans the buckets of the parameters that are trainable now.
  void plan(const BucketSizes& sizes);
  bool is_plan_current() const;
  std::uint64_t plan_hash() const { return plan_hash_; }
  // Lays the arenas out in the order in which gradients arrived. Collective.
  void lay_out_by_arrival();

  void begin_step(const StepPlan& plan);
  void begin_shard(int additions, bool is_last);
  void finish_shard();
  // Starts what has not been started: buckets with parameters that the last shard did not use.
  void flush();
  void end_step();

  // Calls visit(arena number, exchange, bucket) in the order in which buckets start.
  template <class Visit> void each_bucket(const Visit& visit) {
    for (const auto& [arena, bucket] : order_) visit(arena, *exchanges_[index(arena)], bucket);
  }
  // Returns when every bucket holds its sum.
  void wait();
  // Time spent in starting buckets and moving them on during this step's backward.
  std::chrono::steady_clock::duration spent() const { return spent_; }

 private:
  static std::size_t index(int i) { return static_cast<std::size_t>(i); }
  void start_ready();
  void start_next();
  void order_buckets();
  std::uint64_t hash_of_plan() const;

  optim::Optimizer& optimizer_;
  comm::Communicator& communicator_;
  StepExchangeOptions options_;
  std::vector<std::unique_ptr<BucketExchange>> exchanges_;  // one for each arena
  std::vector<std::pair<int, int>> order_;                  // arena and bucket
  std::size_t started_ = 0;                                 // of them
  std::vector<bool> planned_frozen_;
  std::uint64_t plan_hash_ = 0;
  std::chrono::steady_clock::duration spent_{};
};

}  // namespace lockstep::parallel
