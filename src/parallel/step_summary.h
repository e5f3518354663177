// What a step sums besides gradients: the loss, its weight, which parameters were used, where each
// rank's time went, and buffers such as running statistics.
#pragma once

#include <vector>

#include "lockstep/comm/communicator.h"
#include "lockstep/tensor/state.h"
#include "src/parallel/partial_stack.h"
#include "src/parallel/step_timer.h"

namespace lockstep::parallel {

// A lane of f64 that is summed along the same tree as the gradients, so that it has the same bits
// on any number of ranks.
class StepSummary {
 public:
  // Collective.
  StepSummary(std::size_t parameters, const State& buffers, comm::Communicator& communicator,
              const core::ShardRange& shards);

  void begin_step();
  // Every shard starts from the buffers of the step's start.
  void begin_shard();
  void record_loss(double loss, double weight);
  void record_used(std::size_t parameter) { values()[first_used + parameter] = 1; }
  // Takes the buffers as the shard left them, with its weight.
  void end_shard();
  void finish_shard(int additions);
  // How this rank spent its time; after its last shard.
  void record_times(const RankTimes& times);
  // `plan`: see Communicator::begin_plan.
  void start(int additions, std::uint64_t plan);
  void wait();

  double weight() const { return values()[1]; }
  // The weighted mean over all shards; 0 when no shard had a sample.
  double loss() const { return weight() == 0 ? 0 : values()[0] / weight(); }
  std::vector<bool> used() const;
  // By rank; 0 for one without shards.
  std::vector<RankTimes> times() const;
  // Writes the weighted mean of all shards' buffers into the buffers.
  void install_buffers();
  // Writes into them what they were at the step's start.
  void restore_buffers();

 private:
  static constexpr std::size_t first_used = 2;

  double* values() const { return static_cast<double*>(partials_.top().data); }
  std::size_t first_time() const { return first_used + parameters_; }
  std::size_t first_buffer() const {
    return first_time() + 3 * static_cast<std::size_t>(communicator_.size());
  }

  std::size_t parameters_;
  comm::Communicator& communicator_;
  core::ShardRange shards_;
  std::vector<Tensor> buffers_;
  std::vector<double> start_;  // the buffers at the step's start
  std::int64_t count_ = 0;
  PartialStack partials_;
  comm::Work work_;
};

}  // namespace lockstep::parallel
