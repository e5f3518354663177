#include "src/comm/shm_reduction.h"

#include <algorithm>
#include <cstring>

#include "lockstep/kernels/registry.h"

namespace lockstep::comm {

ShmReduction::ShmReduction(const Call& call, std::shared_ptr<const Forest> forest, ShmTeam& team)
    : call_(call),
      forest_(std::move(forest)),
      team_(team),
      rank_(team.board->rank()),
      size_(team.board->size()),
      element_(size_of(call.out.dtype)),
      plan_(shared_plan(call, size_)),
      first_(team.rounds) {
  for (int rank = 0; rank < size_; ++rank)
    partials_ = std::max(partials_, static_cast<std::size_t>(forest_->nodes_of(rank)));
  const std::size_t blocks = static_cast<std::size_t>(size_) * partials_;
  const std::size_t lines = ShmWindows::slot_bytes / blocks / core::alignment;
  plan_.piece = static_cast<std::int64_t>(lines * core::alignment / element_);
  for (const core::Range& owned : plan_.owned)
    rounds_ = std::max(rounds_,
                       static_cast<std::uint64_t>((owned.count() + plan_.piece - 1) / plan_.piece));
  team_.rounds += rounds_;
}

bool ShmReduction::advance() {
  bool has_moved = true;
  while (has_moved) {
    has_moved = empty();  // first what makes room
    has_moved = fold() || has_moved;
    has_moved = fill() || has_moved;
  }
  return emptied_ == rounds_;
}

bool ShmReduction::fill() {
  if (filled_ == rounds_ || filled_ == emptied_ + ShmWindows::slots) return false;
  const std::uint64_t round = filled_++;
  for (int hop = 1; hop < size_; ++hop) {
    const int owner = (rank_ + hop) % size_;
    const core::Range piece = piece_of(owner, round);
    if (piece.count() == 0) continue;
    for (std::size_t i = 0; i < call_.in.size(); ++i)
      std::memcpy(block(rank_, round, owner, i),
                  static_cast<const std::byte*>(call_.in[i].data) + bytes_of(piece.begin),
                  bytes_of(piece.count()));
  }
  team_.windows.note_filled(rank_, first_ + filled_);
  team_.board->moved();
  return true;
}

bool ShmReduction::fold() {
  if (folded_ == filled_ || !team_.windows.all_filled(first_ + folded_ + 1)) return false;
  const std::uint64_t round = folded_++;
  const core::Range piece = piece_of(rank_, round);
  if (piece.count() > 0) run_fold(round, piece);
  team_.windows.note_folded(rank_, first_ + folded_);
  team_.board->moved();
  return true;
}

bool ShmReduction::empty() {
  if (emptied_ == folded_ || !team_.windows.all_folded(first_ + emptied_ + 1)) return false;
  const std::uint64_t round = emptied_++;
  if (!plan_.takes(rank_)) return true;
  for (int hop = 1; hop < size_; ++hop) {
    const int owner = (rank_ + hop) % size_;
    const core::Range piece = piece_of(owner, round);
    if (piece.count() > 0)
      std::memcpy(result_at(piece.begin), block(rank_, round, owner, 0), bytes_of(piece.count()));
  }
  return true;
}

void ShmReduction::run_fold(std::uint64_t round, const core::Range& piece) {
  std::vector<const void*> inputs;
  for (int rank = 0; rank < size_; ++rank) {
    for (int i = 0; i < forest_->nodes_of(rank); ++i) {
      const auto partial = static_cast<std::size_t>(i);
      inputs.push_back(rank == rank_ ? static_cast<const std::byte*>(call_.in[partial].data) +
                                           bytes_of(piece.begin)
                                     : block(rank, round, rank_, partial));
    }
  }
  const std::vector<void*> to = places(round, piece);
  core::Stream stream(call_.out.device);
  kernels::backend(call_.out.device)
      .fold({.op = fold_op(call_.reduce),
             .dtype = call_.out.dtype,
             .count = piece.count(),
             .in = inputs.data(),
             .inputs = static_cast<int>(inputs.size()),
             .program = forest_->program.data(),
             .steps = static_cast<int>(forest_->program.size()),
             .out = to.front(),
             .scale = call_.reduce == Reduce::mean ? 1.0 / call_.shards : 1.0,
             .copies = to.data() + 1,
             .copy_count = static_cast<int>(to.size()) - 1},
            stream);
}

std::vector<void*> ShmReduction::places(std::uint64_t round, const core::Range& piece) const {
  std::vector<void*> to;
  if (call_.op == Op::reduce_scatter || plan_.takes(rank_)) to.push_back(result_at(piece.begin));
  for (int hop = 1; hop < size_; ++hop) {
    const int taker = (rank_ + hop) % size_;
    if (plan_.takes(taker)) to.push_back(block(taker, round, rank_, 0));
  }
  return to;
}

core::Range ShmReduction::piece_of(int owner, std::uint64_t round) const {
  const core::Range& owned = plan_.owned[static_cast<std::size_t>(owner)];
  const std::int64_t begin = owned.begin + static_cast<std::int64_t>(round) * plan_.piece;
  return {std::min(owned.end, begin), std::min(owned.end, begin + plan_.piece)};
}

std::byte* ShmReduction::block(int rank, std::uint64_t round, int owner,
                               std::size_t partial) const {
  const std::size_t number = static_cast<std::size_t>(owner) * partials_ + partial;
  return team_.windows.slot(rank, first_ + round) + number * bytes_of(plan_.piece);
}

std::byte* ShmReduction::result_at(std::int64_t element) const {
  const std::int64_t origin =
      call_.op == Op::reduce_scatter ? plan_.owned[static_cast<std::size_t>(rank_)].begin : 0;
  return static_cast<std::byte*>(call_.out.data) + bytes_of(element - origin);
}

}  // namespace lockstep::comm
