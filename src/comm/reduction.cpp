#include "src/comm/reduction.h"

#include <algorithm>

#include "lockstep/core/allocator.h"
#include "lockstep/kernels/registry.h"
#include "src/comm/parts.h"

namespace lockstep::comm {
namespace {

enum Kind : std::int32_t { partial_sent, partial_received, result_sent, result_received };

// Measured on 2 ranks of one host, f32: smaller pieces pay more for their hand-offs than they gain
// by staying in cache, larger ones leave less to overlap and more scratch.
constexpr std::size_t piece_bytes = std::size_t{1} << 20;
constexpr std::size_t rounds_under_way = 3;
// Up to here, in bytes that each rank gathers, one round trip less outweighs folding everything
// everywhere.
constexpr std::size_t gathered_by_everyone = std::size_t{128} << 10;

// Of a partial; of a rank's part of them in a reduce_scatter.
std::int64_t elements_of(const Call& call) {
  return call.op == Op::reduce ? call.in.front().count : call.out.count;
}

}  // namespace

kernels::FoldOp fold_op(Reduce op) {
  switch (op) {
    case Reduce::sum:
    case Reduce::mean:
      return kernels::FoldOp::sum;
    case Reduce::product:
      return kernels::FoldOp::product;
    case Reduce::min:
      return kernels::FoldOp::min;
    case Reduce::max:
      break;
  }
  return kernels::FoldOp::max;
}

Forest::Forest(int size, int shards)
    : first_node(1, 0), program(core::fold_program(core::forest(size, shards), shards)) {
  for (int rank = 0; rank < size; ++rank) {
    const auto own = core::maximal_subtrees(core::shards_of(rank, size, shards));
    first_node.push_back(first_node.back() + static_cast<int>(own.size()));
  }
}

ReductionPlan shared_plan(const Call& call, int size) {
  const std::size_t element = size_of(call.out.dtype);
  const std::int64_t count = elements_of(call);
  ReductionPlan plan;
  const Parts parts(call.counts, count);
  for (int rank = 0; rank < size; ++rank)
    plan.owned.push_back(call.op == Op::reduce_scatter ? parts.of(rank)
                                                       : aligned_part(count, element, rank, size));
  plan.piece = std::max<std::int64_t>(count, 1);
  if (call.op == Op::reduce_scatter) return plan;
  plan.first_taker = call.op == Op::reduce ? call.root : 0;
  plan.last_taker = call.op == Op::reduce ? call.root + 1 : size;
  return plan;
}

ReductionPlan plan_of(const Call& call, int size) {
  const auto element = static_cast<std::int64_t>(size_of(call.out.dtype));
  const std::int64_t count = elements_of(call);
  const std::size_t gathered =
      static_cast<std::size_t>(count * element) * static_cast<std::size_t>(size);
  if (call.op == Op::reduce_scatter || (size > 1 && gathered > gathered_by_everyone)) {
    ReductionPlan plan = shared_plan(call, size);
    plan.piece = static_cast<std::int64_t>(piece_bytes) / element;
    return plan;
  }
  const bool everyone_folds = call.op == Op::all_reduce;
  ReductionPlan plan{.owned = {}, .piece = std::max<std::int64_t>(count, 1)};
  plan.owned.assign(static_cast<std::size_t>(size), {0, everyone_folds ? count : 0});
  plan.owned[static_cast<std::size_t>(call.root)] = {0, count};
  return plan;
}

Reduction::Reduction(const Call& call, std::shared_ptr<const Forest> forest,
                     const Membership& member, std::unique_ptr<Messages> messages)
    : Exchange(call, member, std::move(messages)),
      plan_(plan_of(call, member.size)),
      forest_(std::move(forest)),
      element_(size_of(call.out.dtype)),
      inputs_(static_cast<std::size_t>(forest_->nodes())) {
  for (const core::Range& range : plan_.owned) {
    rounds_ = std::max(rounds_, (range.count() + plan_.piece - 1) / plan_.piece);
  }
}

void Reduction::begin() {
  prepare_window();
  for (std::size_t slot = 0; slot < window_.size(); ++slot) fill(slot);
}

void Reduction::prepare_window() {
  const std::int64_t longest =
      std::min(plan_.piece, plan_.owned[static_cast<std::size_t>(rank())].count());
  const auto foreign = static_cast<std::size_t>(forest_->nodes() - forest_->nodes_of(rank()));
  scratch_stride_ = (bytes_of(longest) + core::alignment - 1) / core::alignment * core::alignment;
  window_.resize(std::min(rounds_under_way, static_cast<std::size_t>(rounds_)));
  const std::size_t blocks = foreign + (passes_results_on() ? 1 : 0);
  const std::size_t bytes = window_.size() * blocks * scratch_stride_;
  if (bytes > 0) scratch_ = core::allocator(call().out.device).allocate(bytes);
  for (std::size_t slot = 0; slot < window_.size(); ++slot) {
    window_[slot].unsent.resize(static_cast<std::size_t>(size()));
    if (bytes > 0) {
      window_[slot].scratch =
          static_cast<std::byte*>(scratch_->data()) + slot * blocks * scratch_stride_;
    }
  }
}

// Starts the next round that has messages in this slot; rounds without any are done when they
// return.
void Reduction::fill(std::size_t slot) {
  while (window_[slot].open == 0 && next_round_ < rounds_) start(slot);
}

void Reduction::start(std::size_t slot) {
  Round& round = window_[slot];
  round.number = next_round_++;
  round.is_folded = false;
  for (int hop = 1; hop < size(); ++hop) receive_partials(slot, (rank() + size() - hop) % size());
  for (int hop = 1; hop < size(); ++hop) send_partials(slot, (rank() + hop) % size());
  fold_if_ready(slot);
}

void Reduction::receive_partials(std::size_t slot, int from) {
  Round& round = window_[slot];
  const core::Range piece = piece_of(rank(), round.number);
  if (piece.count() == 0) return;
  for (int node = forest_->first_node[from]; node < forest_->first_node[from + 1]; ++node) {
    ++round.open;
    ++round.missing;
    receive(from, index_of(round, node), scratch_of(round, node), bytes_of(piece.count()),
            {partial_received, from, static_cast<std::int64_t>(slot)});
  }
}

void Reduction::send_partials(std::size_t slot, int owner) {
  Round& round = window_[slot];
  const core::Range piece = piece_of(owner, round.number);
  if (piece.count() == 0) return;
  for (std::size_t own = 0; own < call().in.size(); ++own) {
    ++round.open;
    ++round.unsent[static_cast<std::size_t>(owner)];
    const auto* data = static_cast<const std::byte*>(call().in[own].data) + bytes_of(piece.begin);
    send(owner, index_of(round, forest_->first_node[rank()] + static_cast<int>(own)), data,
         bytes_of(piece.count()), {partial_sent, owner, static_cast<std::int64_t>(slot)});
  }
  if (call().in.empty()) receive_result(slot, owner);
}

void Reduction::receive_result(std::size_t slot, int owner) {
  Round& round = window_[slot];
  const core::Range piece = piece_of(owner, round.number);
  if (!plan_.takes(rank()) || piece.count() == 0) return;
  ++round.open;
  receive(owner, index_of(round, forest_->nodes()), result_at(piece.begin), bytes_of(piece.count()),
          {result_received, owner, static_cast<std::int64_t>(slot)});
}

void Reduction::completed(const Token& token) {
  const auto slot = static_cast<std::size_t>(token.piece);
  Round& round = window_[slot];
  if (token.kind == partial_received) {
    --round.missing;
    fold_if_ready(slot);
  } else if (token.kind == partial_sent) {
    // The result may overwrite the partial (in place), so it is not let in before the partial is
    // out.
    if (--round.unsent[static_cast<std::size_t>(token.peer)] == 0) receive_result(slot, token.peer);
    fold_if_ready(slot);
  }
  --round.open;
  fill(slot);
}

void Reduction::fold_if_ready(std::size_t slot) {
  Round& round = window_[slot];
  if (round.is_folded || round.missing > 0) return;
  const bool is_shared = plan_.last_taker > 0;
  const bool everyone_folds = call().op == Op::all_reduce && !is_shared;
  const bool all_sent =
      std::all_of(round.unsent.begin(), round.unsent.end(), [](int n) { return n == 0; });
  if (everyone_folds && !all_sent) return;  // `out` may be a partial that is still being sent
  round.is_folded = true;
  if (piece_of(rank(), round.number).count() == 0) return;
  fold(round);
  if (is_shared) share_result(slot);
}

void Reduction::fold(Round& round) {
  const core::Range piece = piece_of(rank(), round.number);
  const int own = forest_->first_node[rank()];
  for (int node = 0; node < forest_->nodes(); ++node) {
    const bool is_own = node >= own && node < forest_->first_node[rank() + 1];
    inputs_[static_cast<std::size_t>(node)] =
        is_own
            ? static_cast<const std::byte*>(call().in[static_cast<std::size_t>(node - own)].data) +
                  bytes_of(piece.begin)
            : scratch_of(round, node);
  }
  const kernels::FoldCall fold{.op = fold_op(call().reduce),
                               .dtype = call().out.dtype,
                               .count = piece.count(),
                               .in = inputs_.data(),
                               .inputs = static_cast<int>(inputs_.size()),
                               .program = forest_->program.data(),
                               .steps = static_cast<int>(forest_->program.size()),
                               .out = result_of(round),
                               .scale = call().reduce == Reduce::mean ? 1.0 / call().shards : 1.0};
  core::Stream stream(call().out.device);
  kernels::backend(call().out.device).fold(fold, stream);
}

void Reduction::share_result(std::size_t slot) {
  Round& round = window_[slot];
  const core::Range piece = piece_of(rank(), round.number);
  for (int hop = 1; hop < size(); ++hop) {
    const int to = (rank() + hop) % size();
    if (!plan_.takes(to)) continue;
    ++round.open;
    send(to, index_of(round, forest_->nodes()), result_of(round), bytes_of(piece.count()),
         {result_sent, to, static_cast<std::int64_t>(slot)});
  }
}

core::Range Reduction::piece_of(int owner, std::int64_t number) const {
  const core::Range& range = plan_.owned[static_cast<std::size_t>(owner)];
  return {std::min(range.end, range.begin + number * plan_.piece),
          std::min(range.end, range.begin + (number + 1) * plan_.piece)};
}

std::byte* Reduction::result_at(std::int64_t element) const {
  const std::int64_t origin =
      call().op == Op::reduce_scatter ? plan_.owned[static_cast<std::size_t>(rank())].begin : 0;
  return static_cast<std::byte*>(call().out.data) + bytes_of(element - origin);
}

// Where this rank's piece of the round is folded to.
std::byte* Reduction::result_of(const Round& round) const {
  if (!passes_results_on()) return result_at(piece_of(rank(), round.number).begin);
  const int foreign = forest_->nodes() - forest_->nodes_of(rank());
  return round.scratch + static_cast<std::size_t>(foreign) * scratch_stride_;
}

std::byte* Reduction::scratch_of(const Round& round, int node) const {
  const bool is_after_own = node >= forest_->first_node[rank() + 1];
  const int foreign = node - (is_after_own ? forest_->nodes_of(rank()) : 0);
  return round.scratch + static_cast<std::size_t>(foreign) * scratch_stride_;
}

std::uint64_t Reduction::index_of(const Round& round, int node) const {
  return static_cast<std::uint64_t>(round.number) *
             static_cast<std::uint64_t>(forest_->nodes() + 1) +
         static_cast<std::uint64_t>(node);
}

}  // namespace lockstep::comm
