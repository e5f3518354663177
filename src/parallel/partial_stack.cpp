#include "src/parallel/partial_stack.h"

#include "lockstep/kernels/registry.h"

namespace lockstep::parallel {
namespace {

core::Buffer cut(const core::Buffer& lane, core::Range range) {
  core::Buffer part = lane;
  part.data = static_cast<std::byte*>(lane.data) +
              range.begin * static_cast<std::int64_t>(size_of(lane.dtype));
  part.count = range.count();
  return part;
}

void fold(const std::vector<const void*>& in, const std::vector<core::FoldStep>& program,
          const core::Buffer& out, core::Stream& stream) {
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

}  // namespace

core::Buffer PartialStack::part(core::Range range) const { return cut(top_, range); }

core::Buffer PartialStack::lane(int index) const {
  core::Buffer lane = top_;
  lane.keep = lanes_[static_cast<std::size_t>(index)];
  lane.data = lane.keep->data();
  return lane;
}

void PartialStack::add(core::Range range, int additions, core::Stream& stream) {
  if (additions == 0 || range.count() == 0) return;
  std::vector<const void*> in;
  for (int i = kept_ - additions; i < kept_; ++i) in.push_back(cut(lane(i), range).data);
  const core::Buffer out = part(range);
  in.push_back(out.data);
  std::vector<core::FoldStep> program(in.size(), core::FoldStep::push);
  program.insert(program.end(), static_cast<std::size_t>(additions), core::FoldStep::add);
  fold(in, program, out, stream);
}

void PartialStack::keep(core::Stream& stream) {
  if (kept_ == static_cast<int>(lanes_.size())) {
    lanes_.push_back(core::allocator(top_.device).allocate(top_.bytes()));
  }
  fold({top_.data}, {core::FoldStep::push}, lane(kept_), stream);
  ++kept_;
}

std::vector<core::ConstBuffer> PartialStack::partials(core::Range range, int hidden) const {
  std::vector<core::ConstBuffer> partials;
  for (int i = 0; i < kept_ - hidden; ++i) partials.emplace_back(cut(lane(i), range));
  partials.emplace_back(part(range));
  return partials;
}

}  // namespace lockstep::parallel
