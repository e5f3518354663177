// A reduction of data that the peers cannot see: each piece is copied into windows, folded there by
// its owner, and copied out, while the pieces behind it are under way.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "src/comm/reduction.h"
#include "src/comm/shm_team.h"

namespace lockstep::comm {

// In each round every rank owns one piece. A rank fills its slot with its partials of the others'
// pieces, folds its own piece from its own memory and the others' slots, and leaves the result in
// the slots of those who take it.
class ShmReduction final : public Work::State {
 public:
  // `call` must stay where it is until the work is finished. Only the reductions of one team that
  // are made one after the other on every rank may go through its windows.
  ShmReduction(const Call& call, std::shared_ptr<const Forest> forest, ShmTeam& team);

  bool advance() override;

 private:
  bool fill();
  bool fold();
  bool empty();
  void run_fold(std::uint64_t round, const core::Range& piece);
  std::vector<void*> places(std::uint64_t round, const core::Range& piece) const;
  core::Range piece_of(int owner, std::uint64_t round) const;
  // Where a partial of `owner`'s piece lies in a rank's slot, and its result in that of the first.
  std::byte* block(int rank, std::uint64_t round, int owner, std::size_t partial) const;
  std::byte* result_at(std::int64_t element) const;
  std::size_t bytes_of(std::int64_t elements) const {
    return static_cast<std::size_t>(elements) * element_;
  }

  const Call& call_;
  std::shared_ptr<const Forest> forest_;
  ShmTeam& team_;
  int rank_;
  int size_;
  std::size_t element_;  // bytes
  ReductionPlan plan_;
  std::size_t partials_ = 1;  // most of a rank
  std::uint64_t first_;       // rounds of earlier calls
  std::uint64_t rounds_ = 0;
  std::uint64_t filled_ = 0;  // rounds
  std::uint64_t folded_ = 0;
  std::uint64_t emptied_ = 0;
};

}  // namespace lockstep::comm
