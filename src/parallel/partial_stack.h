// The partial sums of one lane (gradients, or a step's summary) that a rank keeps while it computes
// its shards.
#pragma once

#include <vector>

#include "lockstep/core/buffer.h"
#include "lockstep/core/shard.h"
#include "lockstep/core/stream.h"

namespace lockstep::parallel {

// The topmost partial is always written in the same place, `top`; earlier ones lie in lanes of
// their own.
class PartialStack {
 public:
  PartialStack() = default;
  explicit PartialStack(core::Buffer top) : top_(std::move(top)) {}

  const core::Buffer& top() const { return top_; }
  // The lane moved; the stack must be empty.
  void move_to(core::Buffer top) { top_ = std::move(top); }

  // Adds the `additions` topmost kept partials to `range` of top, the nearest first.
  void add(core::Range range, int additions, core::Stream& stream);
  // Forgets the `count` topmost kept partials, once they were added everywhere.
  void drop(int count) { kept_ -= count; }
  // Keeps a copy of top, which the next shard overwrites.
  void keep(core::Stream& stream);
  // `range` of the kept partials and of top: what the rank contributes.
  std::vector<core::ConstBuffer> partials(core::Range range, int hidden) const;
  core::Buffer part(core::Range range) const;
  void clear() { kept_ = 0; }

 private:
  core::Buffer lane(int index) const;

  core::Buffer top_;
  std::vector<core::Memory> lanes_;
  int kept_ = 0;
};

}  // namespace lockstep::parallel
