// Sends each bucket of gradients on its way as soon as the last of its parameters is final.
#pragma once

#include <vector>

#include "lockstep/autograd/hooks.h"
#include "lockstep/comm/communicator.h"
#include "lockstep/optim/arena.h"
#include "lockstep/parallel/bucket_plan.h"
#include "lockstep/parallel/shard_tree.h"
#include "src/parallel/partial_stack.h"

namespace lockstep::parallel {

struct BucketExchangeOptions {
  std::int64_t bucket_bytes = 0;
  bool is_exact = true;  // fold shards by the tree; else each rank contributes one plain sum
};

// The buckets of one arena, planned for the parameters that are trainable now. Buckets start in
// plan order on every rank, whatever the order in which gradients arrive.
class BucketExchange {
 public:
  BucketExchange(optim::Arena& arena, comm::Communicator& communicator,
                 const core::ShardRange& shards, const BucketExchangeOptions& options);

  // The gradients of one shard that is not the last are in the arena.
  void finish_shard(int additions);
  // From now on, parameters that become final start their buckets.
  void begin_last_shard(int additions);
  // Starts what has not been started: buckets with parameters that the last shard did not use.
  void flush();
  int size() const { return static_cast<int>(plan_.size()); }
  core::Range range(int bucket) const { return plan_[static_cast<std::size_t>(bucket)].range; }
  // Returns when the bucket holds the sum of all shards.
  void wait(int bucket) { works_[static_cast<std::size_t>(bucket)].wait(); }
  void end_step();

 private:
  void watch(std::size_t bucket);
  std::vector<int> trainable_segments(const Bucket& bucket) const;
  void count_down(std::size_t bucket);
  void start_ready();
  void start(const Bucket& bucket);

  optim::Arena& arena_;
  comm::Communicator& communicator_;
  core::ShardRange shards_;
  bool is_exact_;
  std::vector<Bucket> plan_;
  std::vector<int> trainable_;     // parameters of each bucket that are not frozen
  std::vector<int> missing_;       // those of them that are not final yet in the last shard
  std::vector<comm::Work> works_;  // those started, in plan order
  PartialStack partials_;
  int additions_ = 0;  // of the last shard, made bucket by bucket
  bool is_armed_ = false;
  std::vector<HookHandle> hooks_;
};

}  // namespace lockstep::parallel
