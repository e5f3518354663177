// Reductions as a state machine over messages: pieces travel to the rank that owns them, are folded
// there in the order of the one summation tree, and travel on as results.
#pragma once

#include <memory>
#include <vector>

#include "lockstep/comm/call.h"
#include "lockstep/core/shard.h"
#include "lockstep/kernels/calls.h"
#include "src/comm/exchange.h"

namespace lockstep::comm {

// Who contributes which nodes of the tree, and the order in which they are folded.
struct Forest {
  Forest(int size, int shards);

  std::vector<int>
      first_node;  // of each rank, and one past the last; nodes are numbered in rank order
  std::vector<core::FoldStep> program;

  int nodes() const { return first_node.back(); }
  int nodes_of(int rank) const { return first_node[rank + 1] - first_node[rank]; }
};

kernels::FoldOp fold_op(Reduce op);

// How a reduction's elements are shared out.
struct ReductionPlan {
  std::vector<core::Range> owned;  // by each rank: what it folds
  std::int64_t piece = 1;          // elements that are sent at once
  int first_taker = 0;             // whom the owners send what they folded to: ranks
  int last_taker = 0;              // [first_taker, last_taker) other than themselves

  bool takes(int rank) const { return rank >= first_taker && rank < last_taker; }
};

// Every rank owns a part of the elements, in one piece.
ReductionPlan shared_plan(const Call& call, int size);
// The plan for a call on `size` ranks. Small all_reduces are folded by everyone and small reduces
// by the root, which saves a round trip.
ReductionPlan plan_of(const Call& call, int size);

class Reduction final : public Exchange {
 public:
  Reduction(const Call& call, std::shared_ptr<const Forest> forest, const Membership& member,
            std::unique_ptr<Messages> messages);

 private:
  // One piece of every owner's range. A few rounds are under way at once.
  struct Round {
    std::int64_t number = 0;
    int open = 0;     // messages on their way
    int missing = 0;  // partials of my piece that have not arrived
    bool is_folded = false;
    std::vector<int> unsent;       // by owner: partials of its piece on their way from here
    std::byte* scratch = nullptr;  // the others' partials; a reduce's result that only passes here
  };

  void begin() override;
  void completed(const Token& token) override;
  void prepare_window();
  void fill(std::size_t slot);
  void start(std::size_t slot);
  void send_partials(std::size_t slot, int owner);
  void receive_partials(std::size_t slot, int from);
  void receive_result(std::size_t slot, int owner);
  void fold_if_ready(std::size_t slot);
  void fold(Round& round);
  void share_result(std::size_t slot);

  core::Range piece_of(int owner, std::int64_t number) const;
  std::byte* result_at(std::int64_t element) const;
  std::byte* result_of(const Round& round) const;
  bool passes_results_on() const { return call().op == Op::reduce && rank() != call().root; }
  std::byte* scratch_of(const Round& round, int node) const;
  std::uint64_t index_of(const Round& round, int node) const;
  std::size_t bytes_of(std::int64_t elements) const {
    return static_cast<std::size_t>(elements) * element_;
  }

  ReductionPlan plan_;
  std::shared_ptr<const Forest> forest_;
  std::size_t element_;  // bytes
  std::size_t scratch_stride_ = 0;
  std::int64_t rounds_ = 0;
  std::int64_t next_round_ = 0;
  core::Memory scratch_;
  std::vector<Round> window_;
  std::vector<const void*> inputs_;
};

}  // namespace lockstep::comm
