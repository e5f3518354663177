// The buckets of one arena: what each waits for, and how it is summed, cut and shared.
#pragma once

#include <functional>
#include <vector>

#include "lockstep/autograd/hooks.h"
#include "lockstep/comm/communicator.h"
#include "lockstep/optim/arena.h"
#include "lockstep/parallel/bucket_plan.h"
#include "src/parallel/partial_stack.h"

namespace lockstep::parallel {

// How the sums of a step are made.
struct StepPlan {
  bool is_fused = false;   // each rank reduces, updates and shares its slices
  std::uint64_t hash = 0;  // of the whole step's calls, see Communicator::begin_plan
};

class BucketExchange {
 public:
  // Moves the arena to memory that the ranks can read from each other. Collective. `is_exact`:
  // folds shards by the tree; else each rank contributes one plain sum.
  BucketExchange(optim::Arena& arena, comm::Communicator& communicator,
                 const core::ShardRange& shards, bool is_exact);

  // Plans for the parameters that are trainable now. `on_final(bucket)` is called whenever the
  // gradient of one of a bucket's parameters becomes final.
  void plan(const BucketSizes& sizes, std::int64_t slice_grain,
            const std::function<void(int bucket)>& on_final);
  std::uint64_t plan_hash() const;
  // Lays the arena out in the order in which gradients arrived on rank 0. Collective. The buckets
  // must be planned anew.
  void lay_out_by_arrival();

  void begin_step(const StepPlan& plan);
  // From now on, gradients that become final complete their buckets: in the last shard to be
  // started, in an earlier one to be added to the partial sums while they are warm in the cache.
  void begin_shard(int additions, bool is_last);
  // The gradients of one shard that is not the last are in the arena.
  void finish_shard();
  bool is_ready(int bucket) const { return missing_[static_cast<std::size_t>(bucket)] <= 0; }
  // Starts summing a bucket over all shards, on all ranks: whole, or this rank's slice of it.
  void start(int bucket);
  // Returns when owned(bucket) holds the sum.
  void wait(int bucket) { sums_[static_cast<std::size_t>(bucket)].wait(); }
  void end_step();

  int size() const { return static_cast<int>(plan_.size()); }
  // What this rank has to update in this step.
  core::Range owned(int bucket) const {
    const auto i = static_cast<std::size_t>(bucket);
    return step_.is_fused ? slice(bucket) : plan_[i].range;
  }
  // Gives the ranks' slices of a bucket of `lane` (parameters, a state, gradients) to all ranks.
  comm::Work share(const core::Buffer& lane, int bucket, std::uint64_t plan = 0);
  core::Buffer gradients() const { return partials_.top(); }

 private:
  std::vector<PlannedSegment> segments() const;
  core::Range slice(int bucket) const {
    return slices_[static_cast<std::size_t>(bucket)][static_cast<std::size_t>(rank_)];
  }
  void arrived(int segment, int bucket);
  void add_partials(int bucket);

  optim::Arena& arena_;
  comm::Communicator& communicator_;
  core::ShardRange shards_;
  bool is_exact_;
  int rank_;
  std::vector<Bucket> plan_;
  std::vector<std::vector<core::Range>> slices_;  // of each bucket, by rank
  std::vector<std::vector<std::int64_t>> counts_;
  std::vector<int> trainable_;    // parameters of each bucket
  std::vector<int> missing_;      // those of them that are not final yet in this shard
  std::vector<comm::Work> sums_;  // of each bucket
  PartialStack partials_;
  StepPlan step_;
  int additions_ = 0;  // of this shard, made bucket by bucket
  bool is_in_shard_ = false;
  bool is_last_shard_ = false;
  std::function<void(int)> on_final_;
  std::vector<HookHandle> hooks_;
  std::vector<int> arrivals_;  // segments, in the first last shard
  bool knows_arrivals_ = false;
};

}  // namespace lockstep::parallel
