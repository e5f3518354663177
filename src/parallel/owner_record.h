// What a rank wrote to the slices of parameters that it updates for all ranks.
#pragma once

#include <cstdint>
#include <vector>

#include "lockstep/core/shard.h"
#include "lockstep/optim/optimizer.h"

namespace lockstep::parallel {

// Where each rank updates a slice and gives it to the others, damage to the owner's memory between
// the update and the sharing would be in all replicas alike. The owner's checksums, made as soon as
// it has written, tell.
class OwnerRecord {
 public:
  explicit OwnerRecord(const optim::Optimizer& optimizer) : optimizer_(optimizer) {}

  // `range` of arenas()[arena] has just been updated here.
  void add(int arena, core::Range range);
  void clear() { pieces_.clear(); }
  bool is_empty() const { return pieces_.empty(); }
  // By position in the optimizer's parameters(): 0 where all that was written is still there.
  std::vector<std::uint64_t> damage() const;

 private:
  // Of a segment, from its beginning: segments may move as a whole.
  struct Piece {
    int arena = 0;
    int segment = 0;
    core::Range range;
    std::uint64_t checksum = 0;
  };
  std::uint64_t checksum_of(const Piece& piece) const;

  const optim::Optimizer& optimizer_;
  std::vector<Piece> pieces_;
};

}  // namespace lockstep::parallel
