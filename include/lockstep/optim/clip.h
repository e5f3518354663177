// The norm of all gradients together, and clipping by it without a pass over the gradients.
#pragma once

#include <vector>

#include "lockstep/optim/optimizer.h"

namespace lockstep::optim {

// Elements of a parameter whose squares are summed in one go. Block sums are added in f64 in the
// order of the elements, parameters in registration order: the norm's bits do not depend on the
// arena's layout.
inline constexpr std::int64_t norm_block = 4096;

// The sums of squares that make up the norm, one for each block of each parameter. Ranks that hold
// the final gradients of some blocks each sum theirs; all sums together give the same norm, bit for
// bit.
class NormBlocks {
 public:
  // All sums are 0. `takes_part` is as in Optimizer::begin_step.
  NormBlocks(Optimizer& optimizer, const std::vector<bool>& takes_part);

  // Sums the blocks in `range` of arenas()[arena]; none may lie across its bounds.
  void sum(int arena, core::Range range);
  // The sums of an arena's blocks, f64, on the arena's device.
  core::Buffer sums(int arena) const;
  // The norm of the gradients as the next step will use them, gradient_scale included.
  double norm() const;

 private:
  bool is_used(const Segment& segment) const {
    return takes_part_[static_cast<std::size_t>(segment.parameter)];
  }

  Optimizer& optimizer_;
  std::vector<bool> takes_part_;
  std::vector<Tensor> sums_;  // by arena
};

// The Euclidean norm of the gradients as the next step will use them, gradient_scale included.
// `takes_part` is as in Optimizer::begin_step.
double gradient_norm(Optimizer& optimizer);
double gradient_norm(Optimizer& optimizer, const std::vector<bool>& takes_part);

// Scales the next step's gradients so that their norm is at most `limit`; gives the norm before. A
// norm that is not finite leaves the scale alone. Pascanu, Mikolov, Bengio, 2013. UsageError unless
// limit > 0.
double clip_gradient_norm(Optimizer& optimizer, double limit);
double clip_gradient_norm(Optimizer& optimizer, double limit, const std::vector<bool>& takes_part);
// The same for gradients whose norm is known.
void clip_to_norm(Optimizer& optimizer, double limit, double norm);

}  // namespace lockstep::optim
