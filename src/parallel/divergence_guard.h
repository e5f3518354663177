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
#include "src/parallel/owner_record.h"

namespace lockstep::parallel {

// Values that steps write anew on all ranks (running statistics, and parameters that other ranks
// update): damage in them is gone, or in all replicas, one step later, so a check would find them
// equal. A checksum of what each step found, chained from check to check, keeps the evidence.
class StepRecord {
 public:
  explicit StepRecord(State state);

  void add_step();
  void clear();
  // Position by position in state().
  const std::vector<std::uint64_t>& chains() const { return chains_; }
  const State& state() const { return state_; }

 private:
  State state_;
  std::vector<std::uint64_t> chains_;
};

class DivergenceGuard {
 public:
  DivergenceGuard(nn::Module& model, const optim::Optimizer& optimizer,
                  comm::Communicator& communicator, const DataParallelOptions& options);

  // Before anything of a step is computed: compares where the step is due, and keeps the record.
  void begin_step(std::int64_t step);
  // In a step whose update is shared among the ranks: before the first parameter changes; after
  // this rank has updated a range of an arena; and when all ranks have all parameters.
  void begin_shared_update();
  void record_written(std::int64_t step, int arena, core::Range range);
  void end_shared_update();
  // Compares parameters, buffers and the optimizer's state, as `step` will begin with them, on all
  // ranks; all ranks call it. An Error names step, tensors, ranks and hashes; or the minority's
  // tensors are replaced.
  void compare(std::int64_t step);

 private:
  // What is compared: a tensor as it is, or what a record says of it.
  struct Subject {
    enum class Kind : std::uint8_t { value, record, written };
    std::string name;
    std::uint64_t hash = 0;
    Kind kind = Kind::value;
    Tensor tensor = {};  // of a value
  };

  bool is_off() const { return every_ == 0 || communicator_.size() == 1; }
  bool is_due(std::int64_t step) const;
  std::vector<Subject> subjects() const;
  bool is_equal_everywhere(const std::vector<Subject>& subjects);
  HashTable gathered(std::vector<std::uint64_t> hashes);
  bool can_repair(const std::vector<Subject>& subjects, const std::vector<Divergence>& found) const;
  std::string account_of(std::int64_t step, const std::vector<Subject>& subjects,
                         const HashTable& table, const std::vector<Divergence>& found) const;
  void repair(const std::vector<Subject>& subjects, const std::vector<Divergence>& found,
              const std::string& account);
  void forget_records();

  const optim::Optimizer& optimizer_;
  comm::Communicator& communicator_;
  std::int64_t every_;
  OnDivergence on_divergence_;
  State model_;
  StepRecord averaged_;  // buffers, as steps began with them
  StepRecord shared_;    // parameters, as shared updates found them
  OwnerRecord written_;
  std::vector<std::uint64_t> damage_;  // to what this rank wrote, by parameter
  std::int64_t begun_ = 0;             // the last step
  std::int64_t equal_before_ = 0;      // the last step before which all replicas were equal
};

// A 64-bit hash of a tensor's elements. Equal bits have equal hashes, NaNs included.
std::uint64_t hash_of(const Tensor& tensor);

}  // namespace lockstep::parallel
