// The partial sums of one lane (gradients, or a step's summary) that a rank keeps while it computes
// its shards.
#pragma once

#include <vector>

#include "lockstep/core/buffer.h"
#include "lockstep/core/shard.h"
#include "lockstep/core/stream.h"

namespace lockstep::parallel {

// The topmost partial is being written to `top`. Keeping it makes another lane the top, so no
// partial is ever copied.
class PartialStack {
 public:
  PartialStack() = default;
  // `spare`: lanes of top's size, one less than the most partials at once.
  explicit PartialStack(core::Buffer top, const std::vector<core::Memory>& spare = {});

  const core::Buffer& top() const { return top_; }

  // Adds the `additions` topmost kept partials to `range` of top, the nearest first.
  void add(core::Range range, int additions, core::Stream& stream);
  // Forgets the `count` topmost kept partials, once they were added everywhere.
  void drop(int count);
  // The next shard writes to another top, whose elements are undefined.
  void keep();
  // `range` of the kept partials and of top: what the rank contributes.
  std::vector<core::ConstBuffer> partials(core::Range range, int hidden) const;
  core::Buffer part(core::Range range) const;
  void clear() { drop(static_cast<int>(kept_.size())); }
  // Makes all elements of all lanes zero but those of top.
  void clear_spare_lanes();

 private:
  core::Buffer top_;
  std::vector<core::Buffer> kept_;
  std::vector<core::Buffer> spare_;
};

}  // namespace lockstep::parallel
