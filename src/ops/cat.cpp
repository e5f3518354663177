#include <fmt/format.h>

#include <vector>

#include "lockstep/ops/apply.h"
#include "lockstep/ops/views.h"
#include "lockstep/tensor/views.h"
#include "src/ops/checks.h"
#include "src/ops/strided.h"

namespace lockstep {
namespace {

using kernels::Backend;

constexpr int most = autograd::max_inputs;

// Joins as many tensors as a node has inputs; those that are not there are undefined.
struct Cat {
  static constexpr const char* name = "cat";
  int axis;
  std::int64_t sizes[most] = {};  // along the axis

  template <class... Rest> Meta output(const Tensor& first, const Rest&...) const {
    Meta meta = first.meta();
    for (int i = 1; i < most; ++i) meta.shape[axis] += sizes[i];
    return meta;
  }
  template <class... In>
  Saved forward(Backend& on, core::Stream& s, const In&... inputs_and_output) const {
    const Tensor* const all[] = {&inputs_and_output...};
    const View out = all[most]->view();
    std::int64_t begin = 0;
    for (int i = 0; i < most; begin += sizes[i++]) {
      if (sizes[i] == 0) continue;
      on.copy({.in = all[i]->view(), .out = detail::part_of(out, axis, begin, sizes[i])}, s);
    }
    return {};
  }
  void backward(Backend&, core::Stream&, const Saved&, const Tensor& g, Sinks& into) const {
    std::int64_t begin = 0;
    for (int i = 0; i < most; begin += sizes[i++]) {
      if (into.wanted(i)) into.give(i, sliced_view(g, axis, begin, begin + sizes[i]));
    }
  }
};

Tensor joined(std::span<const Tensor> tensors, int axis) {
  if (tensors.size() == 1) return clone(tensors[0]);
  Tensor all[most];
  Cat op{axis};
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    all[i] = tensors[i];
    op.sizes[i] = all[i].shape()[axis];
  }
  return apply(op, all[0], all[1], all[2], all[3], all[4], all[5]);
}

void check_tensors(std::span<const Tensor> tensors, int axis) {
  const Tensor& first = tensors[0];
  for (std::size_t i = 1; i < tensors.size(); ++i) {
    const Tensor& next = tensors[i];
    detail::check_same_dtype("cat", first, "a tensor", next);
    const Tensor* const both[] = {&first, &next};
    detail::check_same_device("cat", both, 2);
    const bool fits =
        next.rank() == first.rank() && next.shape().without(axis) == first.shape().without(axis);
    check<ShapeError>(fits, [&] {
      return Complaint{
          fmt::format("cat: tensor {} has shape {}, tensor 0 {}: they differ beside axis {}", i,
                      to_string(next.shape()), to_string(first.shape()), axis),
          "make all sizes but that of the axis equal"};
    });
  }
}

}  // namespace

Tensor cat(std::span<const Tensor> tensors, int axis) {
  check<UsageError>(!tensors.empty(), [] {
    return Complaint{"cat: no tensors", "give at least one tensor"};
  });
  detail::check_defined("cat", "tensor 0", tensors[0]);
  axis = normalized_axis("cat", axis, tensors[0].rank());
  check_tensors(tensors, axis);
  if (tensors.size() <= most) return joined(tensors, axis);
  std::vector<Tensor> groups;
  for (std::size_t i = 0; i < tensors.size(); i += most) {
    groups.push_back(
        joined(tensors.subspan(i, std::min<std::size_t>(most, tensors.size() - i)), axis));
  }
  return cat(groups, axis);
}

Tensor cat(std::initializer_list<Tensor> tensors, int axis) {
  return cat(std::span<const Tensor>(tensors.begin(), tensors.size()), axis);
}

}  // namespace lockstep
