#include "lockstep/tensor/views.h"

#include <algorithm>

#include "lockstep/base/error.h"
#include "lockstep/core/transfer.h"
#include "lockstep/kernels/recorder.h"
#include "lockstep/kernels/registry.h"
#include "lockstep/tensor/create.h"

namespace lockstep {
namespace {

Tensor view_of(const Tensor& x, std::int64_t more_offset, const Shape& shape,
               const Shape& strides) {
  return {x.storage(), x.offset() + more_offset, shape, strides, x.dtype()};
}

Shape with_inferred_size(const Tensor& x, const Shape& wanted) {
  Shape shape = wanted;
  int inferred = -1;
  std::int64_t known = 1;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] == -1 && inferred == -1) {
      inferred = axis;
    } else {
      known *= shape[axis];
    }
  }
  if (inferred >= 0 && known != 0) shape[inferred] = x.elements() / known;
  const bool is_valid = std::all_of(shape.begin(), shape.end(), [](auto s) { return s >= 0; });
  check<ShapeError>(is_valid && shape.elements() == x.elements(), [&] {
    return Complaint{"reshape: shape " + to_string(x.shape()) + " to " + to_string(wanted),
                     "the new shape needs " + std::to_string(x.elements()) + " elements"};
  });
  return shape;
}

std::int64_t clamped(std::int64_t index, std::int64_t size) {
  return std::clamp<std::int64_t>(index < 0 ? index + size : index, 0, size);
}

}  // namespace

Tensor reshaped_view(const Tensor& x, const Shape& shape) {
  const Shape sizes = with_inferred_size(x, shape);
  check<ShapeError>(x.is_contiguous(), [&] {
    return Complaint{"reshape: strides " + to_string(x.strides()) + " of shape " +
                         to_string(x.shape()) + " are not contiguous",
                     "copy the tensor with contiguous() first"};
  });
  return view_of(x, 0, sizes, contiguous_strides(sizes));
}

Tensor permuted_view(const Tensor& x, const Shape& axes) {
  Shape shape = x.shape();
  Shape strides = x.strides();
  bool is_used[max_rank] = {};
  bool is_valid = axes.rank() == x.rank();
  for (int i = 0; i < axes.rank() && is_valid; ++i) {
    const int axis = normalized_axis("permute", static_cast<int>(axes[i]), x.rank());
    is_valid = !is_used[axis];
    is_used[axis] = true;
    shape[i] = x.shape()[axis];
    strides[i] = x.strides()[axis];
  }
  check<ShapeError>(is_valid, [&] {
    return Complaint{"permute: axes " + to_string(axes) + " for shape " + to_string(x.shape()),
                     "name each axis once"};
  });
  return view_of(x, 0, shape, strides);
}

Tensor sliced_view(const Tensor& x, int axis, std::int64_t begin, std::int64_t end,
                   std::int64_t step) {
  axis = normalized_axis("slice", axis, x.rank());
  check<ShapeError>(step > 0, [&] {
    return Complaint{"slice: step " + std::to_string(step), "use a step of 1 or more"};
  });
  Shape shape = x.shape();
  Shape strides = x.strides();
  const std::int64_t first = clamped(begin, shape[axis]);
  const std::int64_t last = std::max(first, clamped(end, shape[axis]));
  const std::int64_t stride = strides[axis];
  shape[axis] = (last - first + step - 1) / step;
  strides[axis] = stride * step;
  return view_of(x, first * stride, shape, strides);
}

Tensor expanded_view(const Tensor& x, const Shape& shape) {
  const int offset = shape.rank() - x.rank();
  Shape strides = shape;
  bool is_valid = offset >= 0;
  for (int axis = 0; axis < shape.rank() && is_valid; ++axis) {
    const std::int64_t size = axis < offset ? 1 : x.shape()[axis - offset];
    is_valid = size == shape[axis] || size == 1;
    strides[axis] = axis < offset || size != shape[axis] ? 0 : x.strides()[axis - offset];
  }
  check<ShapeError>(is_valid, [&] {
    return Complaint{"expand: shape " + to_string(x.shape()) + " to " + to_string(shape),
                     "only axes of size 1, or new ones in front, can be expanded"};
  });
  return view_of(x, 0, shape, strides);
}

void copy_elements(const Tensor& from, const Tensor& to) {
  check<DeviceError>(from.device() == to.device(), [&] {
    return Complaint{"copy: from " + name_of(from.device()) + " to " + name_of(to.device()),
                     "use copied_to(x, device)"};
  });
  const View source = expanded_view(from, to.shape()).view();
  kernels::backend(to.device())
      .copy({.in = source, .out = to.view()}, core::current_stream(to.device()));
  to.mark_mutated();
}

void fill_elements(const Tensor& to, double value) {
  kernels::backend(to.device())
      .copy({.out = to.view(), .scale = value}, core::current_stream(to.device()));
  to.mark_mutated();
}

Tensor copied(const Tensor& x, DType dtype) {
  Tensor copy = empty(x.shape(), {.dtype = dtype, .device = x.device()});
  copy_elements(x, copy);
  return copy;
}

Tensor copied(const Tensor& x) { return copied(x, x.dtype()); }

Tensor copied_to(const Tensor& x, Device device) {
  if (x.device() == device) return copied(x);
  kernels::check_unrecorded("a copy from " + name_of(x.device()) + " to " + name_of(device),
                            "transfers are not part of a captured step");
  const Tensor packed = x.is_contiguous() ? x : copied(x);
  Tensor copy = empty(x.shape(), {.dtype = x.dtype(), .device = device});
  core::transfer({copy.view().data, copy.elements(), copy.dtype(), device},
                 {packed.view().data, packed.elements(), packed.dtype(), packed.device()});
  return copy;
}

}  // namespace lockstep
