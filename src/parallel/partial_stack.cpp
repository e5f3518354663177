#include "src/parallel/partial_stack.h"

#include <utility>

#include "lockstep/kernels/registry.h"
#include "src/parallel/lanes.h"

namespace lockstep::parallel {

PartialStack::PartialStack(core::Buffer top, const std::vector<core::Memory>& spare)
    : top_(std::move(top)) {
  for (const core::Memory& memory : spare) {
    core::Buffer& lane = spare_.emplace_back(top_);
    lane.data = memory->data();
    lane.keep = memory;
  }
}

core::Buffer PartialStack::part(core::Range range) const { return cut(top_, range); }

void PartialStack::add(core::Range range, int additions, core::Stream& stream) {
  if (additions == 0 || range.count() == 0) return;
  std::vector<const void*> in;
  for (auto lane = kept_.end() - additions; lane != kept_.end(); ++lane)
    in.push_back(cut(*lane, range).data);
  const core::Buffer out = part(range);
  in.push_back(out.data);
  std::vector<core::FoldStep> program(in.size(), core::FoldStep::push);
  program.insert(program.end(), static_cast<std::size_t>(additions), core::FoldStep::add);
  kernels::FoldCall call;
  call.dtype = out.dtype;
  call.count = out.count;
  call.in = in.data();
  call.inputs = static_cast<int>(in.size());
  call.program = program.data();
  call.steps = static_cast<int>(program.size());
  call.out = out.data;
  kernels::backend(out.device).fold(call, stream);
}

void PartialStack::drop(int count) {
  for (; count > 0; --count) {
    spare_.push_back(std::move(kept_.back()));
    kept_.pop_back();
  }
}

void PartialStack::keep() {
  kept_.push_back(std::exchange(top_, spare_.back()));
  spare_.pop_back();
}

std::vector<core::ConstBuffer> PartialStack::partials(core::Range range, int hidden) const {
  std::vector<core::ConstBuffer> partials;
  for (auto lane = kept_.begin(); lane != kept_.end() - hidden; ++lane)
    partials.emplace_back(cut(*lane, range));
  partials.emplace_back(part(range));
  return partials;
}

void PartialStack::clear_spare_lanes() {
  for (const core::Buffer& lane : spare_) parallel::clear(lane.keep);
}

}  // namespace lockstep::parallel
