// Compares the replicas every so many steps: a bit that a rank's memory lost is found before it
// spreads further.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lockstep/comm/communicator.h"
#include "lockstep/nn/module.h"
#include "lockstep/optim/optimizer.h"
#include "lockstep/parallel/data_parallel.h"
#include "lockstep/tensor/state.h"
#include "src/parallel/divergence.h"

namespace lockstep::parallel {

// Values that every step writes anew from all ranks' values (running statistics): damage in them
// is in all replicas one step later, so a check would find them equal. A hash of what each step
// began with, chained from check to check, keeps the evidence.
class StepRecord {
 public:
  explicit StepRecord(State state);

  void add_step();
  void clear();
  // Position by position in state().
  const std::vector<std::uint64_t>& hashes() const { return hashes_; }
  const State& state() const { return state_; }

 private:
  State state_;
  std::vector<std::uint64_t> hashes_;
};

class DivergenceGuard {
 public:
  DivergenceGuard(nn::Module& model, const optim::Optimizer& optimizer,
                  comm::Communicator& communicator, const DataParallelOptions& options);

  // Before anything of a step is computed: compares where the step is due, and keeps the record.
  void begin_step(std::int64_t step);
  // Compares parameters, buffers and the optimizer's state, as `step` will begin with them, on all
  // ranks; all ranks call it. An Error names step, tensors, ranks and hashes; or the minority's
  // tensors are replaced.
  void compare(std::int64_t step);

 private:
  bool is_due(std::int64_t step) const;
  State replicas() const;
  std::vector<std::uint64_t> own_hashes(const State& replicas) const;
  bool is_equal_everywhere(const std::vector<std::uint64_t>& hashes);
  HashTable gathered(std::vector<std::uint64_t> hashes);
  std::string account_of(std::int64_t step, const State& replicas, const HashTable& table,
                         const std::vector<Divergence>& found) const;
  void repair(const State& replicas, const std::vector<Divergence>& found,
              const std::string& account);

  const optim::Optimizer& optimizer_;
  comm::Communicator& communicator_;
  std::int64_t every_;
  OnDivergence on_divergence_;
  State model_;
  StepRecord averaged_;
  std::int64_t equal_before_ = 0;  // the last step before which all replicas were equal
};

// A 64-bit hash of a tensor's elements, chained to `before`. Equal bits have equal hashes, NaNs
// included.
std::uint64_t hash_of(const Tensor& tensor, std::uint64_t before = 0);

}  // namespace lockstep::parallel
