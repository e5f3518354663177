// Parameters, their gradients and an optimizer's state in flat memory, with the table that tells
// them apart.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lockstep/core/buffer.h"
#include "lockstep/core/shard.h"
#include "lockstep/tensor/tensor.h"

namespace lockstep::optim {

// One parameter's place: elements [offset, offset + count) of every lane of its arena.
struct Segment {
  std::string name;
  std::int64_t offset = 0;
  std::int64_t count = 0;
  int parameter = 0;  // position in the optimizer's list of parameters
  int group = 0;
  bool no_decay = false;

  core::Range range() const { return {offset, offset + count}; }
  // With the padding that follows: segments start at multiples of 64 bytes.
  core::Range padded(DType dtype) const;
};

// What an arena is made of: a parameter and what its segment says of it; the offset is the arena's
// to choose.
struct ArenaEntry {
  Segment segment;
  Tensor parameter;
};

// The parameters of one dtype and device in one flat lane, their gradients in a second one of the
// same layout, and as many lanes of optimizer state as asked for, zero at the start; so is the
// padding of every lane. Handles of the parameters, of their gradients and of their states follow
// every move. Counts and offsets are in elements.
class Arena {
 public:
  // Lays the parameters out in the order given. DTypeError unless all are f32 or all f64;
  // UsageError for a parameter given twice, or one that shares its memory with other tensors.
  Arena(std::vector<ArenaEntry> entries, int states);
  Arena(Arena&&) noexcept = default;
  Arena& operator=(Arena&&) noexcept = default;

  DType dtype() const { return dtype_; }
  Device device() const { return device_; }
  // Elements of a lane, padding included; no reordering changes it.
  std::int64_t count() const { return count_; }
  std::size_t bytes() const { return static_cast<std::size_t>(count_) * size_of(dtype_); }

  // In registration order, whatever the layout.
  const std::vector<Segment>& segments() const { return segments_; }
  const Tensor& parameter(int segment) const {
    return parameters_[static_cast<std::size_t>(segment)];
  }
  // A frozen parameter keeps its place, but takes part in no step.
  bool is_frozen(int segment) const { return !parameter(segment).requires_grad(); }
  // Segment numbers in the order of their offsets.
  const std::vector<int>& layout() const { return layout_; }

  core::Buffer parameters(core::Range range) const { return lane(0, range); }
  core::Buffer gradients(core::Range range) const { return lane(1, range); }
  core::Buffer state(int index, core::Range range) const { return lane(2 + index, range); }
  int states() const { return static_cast<int>(states_.size()); }
  // A segment of a state lane with its parameter's shape.
  Tensor state_of(int segment, int index) const {
    return states_[static_cast<std::size_t>(index)][static_cast<std::size_t>(segment)];
  }

  // The shadows of the parameters (lockstep/autograd/shadow.h), in a lane of the same layout; null
  // data where no parameter has one.
  core::Buffer shadows(core::Range range) const;
  // Brings shadows that are kept since, of the first one's dtype, to their places.
  void gather_shadows();
  bool has_shadow_in_lane(int segment) const;

  // Moves parameters and gradients to memory of at least bytes() bytes each (shared, registered
  // ...), with their content. With an `order` (a permutation of segment numbers) every lane is laid
  // out anew in that order.
  void relocate(core::Memory parameters, core::Memory gradients, std::span<const int> order = {});
  // Lays every lane out anew, in the memory where it is.
  void reorder(std::span<const int> order);
  // From now on gradients go to `lane`, a block of at least bytes() bytes that is zero in the
  // padding; nothing is copied. Gives back the block where they went before.
  core::Memory exchange_gradient_lane(core::Memory lane);
  // Brings gradients that were made elsewhere (a parameter thawed since) to their places.
  void gather_gradients();

 private:
  core::Buffer lane(int index, core::Range range) const;
  void check_range(core::Range range) const;
  void move_shadow_to_lane(int segment);
  core::Memory new_lane() const;
  void check_lane(const core::Memory& memory) const;
  // Gives every segment its place in that order; the places before.
  std::vector<std::int64_t> lay_out(std::span<const int> order);
  void move_lane(int index, core::Memory to, const std::vector<std::int64_t>& old_offsets);
  void point_handles_at_lanes();
  void point_gradients_at_lane();

  DType dtype_ = DType::f32;
  Device device_;
  std::int64_t count_ = 0;
  std::vector<Segment> segments_;
  std::vector<Tensor> parameters_;
  std::vector<Tensor> gradients_;
  std::vector<std::vector<Tensor>> states_;  // of each lane of state, by segment
  std::vector<int> layout_;
  std::vector<core::Memory> lanes_;  // parameters, gradients, states
  core::Memory shadows_;
  DType shadow_dtype_ = DType::bf16;
};

}  // namespace lockstep::optim
