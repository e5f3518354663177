#include "lockstep/ops/views.h"

#include <fmt/format.h>

#include <algorithm>

#include "lockstep/ops/apply.h"
#include "lockstep/tensor/views.h"
#include "src/ops/checks.h"
#include "src/ops/in_place.h"
#include "src/ops/strided.h"

namespace lockstep {
namespace {

using kernels::Backend;
using kernels::Write;

Tensor with_layout(const Tensor& x, const Shape& shape, const Shape& strides) {
  return {x.storage(), x.offset(), shape, strides, x.dtype()};
}

Tensor contiguous_elements(const Tensor& x) { return x.is_contiguous() ? x : copied(x); }

struct Reshape {
  static constexpr const char* name = "reshape";
  Shape from, to;

  Tensor view(const Tensor& x) const { return reshaped_view(contiguous_elements(x), to); }
  void backward(Backend&, core::Stream&, const Saved&, const Tensor& g, Sinks& dx) const {
    dx.give(0, reshaped_view(contiguous_elements(g), from));
  }
};

struct Permute {
  static constexpr const char* name = "permute";
  Shape axes;

  Tensor view(const Tensor& x) const { return permuted_view(x, axes); }
  void backward(Backend&, core::Stream&, const Saved&, const Tensor& g, Sinks& dx) const {
    Shape inverse = axes;
    for (int i = 0; i < axes.rank(); ++i) {
      inverse[normalized_axis(name, static_cast<int>(axes[i]), axes.rank())] = i;
    }
    dx.give(0, permuted_view(g, inverse));
  }
};

struct Slice {
  static constexpr const char* name = "slice";
  int axis;
  std::int64_t begin, end, step;
  Shape from;

  Tensor view(const Tensor& x) const { return sliced_view(x, axis, begin, end, step); }
  void backward(Backend& on, core::Stream& s, const Saved&, const Tensor& g, Sinks& dx) const {
    const Sink sink = dx[0];
    if (sink.write == Write::store) detail::fill(on, s, sink.out, 0);
    const std::int64_t size = from[axis];
    const std::int64_t first = std::clamp<std::int64_t>(begin < 0 ? begin + size : begin, 0, size);
    on.copy({.write = sink.write,
             .in = g.view(),
             .out = detail::part_of(sink.out, axis, first, g.shape()[axis], step)},
            s);
  }
};

struct Expand {
  static constexpr const char* name = "expand";
  Shape to;

  Tensor view(const Tensor& x) const { return expanded_view(x, to); }
  void backward(Backend& on, core::Stream& s, const Saved&, const Tensor& g, Sinks& dx) const {
    detail::sum_to(on, s, g.view(), dx[0]);
  }
};

Tensor without_axis(const Tensor& x, int axis) {
  return with_layout(x, x.shape().without(axis), x.strides().without(axis));
}
Tensor with_axis(const Tensor& x, int axis) {
  Shape shape, strides;
  for (int i = 0; i <= x.rank(); ++i) {
    const int from = i < axis ? i : i - 1;
    shape.append(i == axis ? 1 : x.shape()[from]);
    strides.append(i == axis ? 0 : x.strides()[from]);
  }
  return with_layout(x, shape, strides);
}

struct Squeeze {
  static constexpr const char* name = "squeeze";
  int axis;

  Tensor view(const Tensor& x) const { return without_axis(x, axis); }
  void backward(Backend&, core::Stream&, const Saved&, const Tensor& g, Sinks& dx) const {
    dx.give(0, with_axis(g, axis));
  }
};
struct Unsqueeze {
  static constexpr const char* name = "unsqueeze";
  int axis;

  Tensor view(const Tensor& x) const { return with_axis(x, axis); }
  void backward(Backend&, core::Stream&, const Saved&, const Tensor& g, Sinks& dx) const {
    dx.give(0, without_axis(g, axis));
  }
};

struct Clone {
  static constexpr const char* name = "clone";

  Tensor view(const Tensor& x) const { return copied(x); }
  void backward(Backend&, core::Stream&, const Saved&, const Tensor& g, Sinks& dx) const {
    dx.give(0, g);
  }
};

struct Cast {
  static constexpr const char* name = "cast";
  DType dtype;

  Tensor view(const Tensor& x) const { return copied(x, dtype); }
  void backward(Backend& on, core::Stream& s, const Saved&, const Tensor& g, Sinks& dx) const {
    const Sink sink = dx[0];
    on.copy({.write = sink.write, .in = g.view(), .out = sink.out}, s);
  }
};

struct To {
  static constexpr const char* name = "to";
  Device from, device;

  Tensor view(const Tensor& x) const { return copied_to(x, device); }
  void backward(Backend&, core::Stream&, const Saved&, const Tensor& g, Sinks& dx) const {
    dx.give(0, copied_to(g, from));
  }
};

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  detail::check_defined("reshape", "x", x);
  return apply(Reshape{x.shape(), shape}, x);
}

Tensor flatten(const Tensor& x, int first, int last) {
  detail::check_defined("flatten", "x", x);
  if (x.rank() == 0) return reshape(x, {1});
  first = normalized_axis("flatten", first, x.rank());
  last = normalized_axis("flatten", last, x.rank());
  check<ShapeError>(first <= last, [&] {
    return Complaint{
        fmt::format("flatten: axes {} to {} of shape {}", first, last, to_string(x.shape())),
        "name the first axis before the last"};
  });
  Shape shape;
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (axis > first && axis <= last) {
      shape[first] *= x.shape()[axis];
    } else {
      shape.append(x.shape()[axis]);
    }
  }
  return reshape(x, shape);
}

Tensor permute(const Tensor& x, const Shape& axes) {
  detail::check_defined("permute", "x", x);
  return apply(Permute{axes}, x);
}

Tensor transpose(const Tensor& x, int a, int b) {
  detail::check_defined("transpose", "x", x);
  Shape axes = x.shape();
  for (int i = 0; i < x.rank(); ++i) axes[i] = i;
  std::swap(axes[normalized_axis("transpose", a, x.rank())],
            axes[normalized_axis("transpose", b, x.rank())]);
  return apply(Permute{axes}, x);
}

Tensor slice(const Tensor& x, int axis, std::int64_t begin, std::int64_t end, std::int64_t step) {
  detail::check_defined("slice", "x", x);
  return apply(Slice{normalized_axis("slice", axis, x.rank()), begin, end, step, x.shape()}, x);
}

Tensor expand(const Tensor& x, const Shape& shape) {
  detail::check_defined("expand", "x", x);
  return apply(Expand{shape}, x);
}

Tensor squeeze(const Tensor& x, int axis) {
  detail::check_defined("squeeze", "x", x);
  axis = normalized_axis("squeeze", axis, x.rank());
  check<ShapeError>(x.shape()[axis] == 1, [&] {
    return Complaint{fmt::format("squeeze: axis {} of shape {} has size {}", axis,
                                 to_string(x.shape()), x.shape()[axis]),
                     "name an axis of size 1"};
  });
  return apply(Squeeze{axis}, x);
}

Tensor unsqueeze(const Tensor& x, int axis) {
  detail::check_defined("unsqueeze", "x", x);
  return apply(Unsqueeze{normalized_axis("unsqueeze", axis, x.rank() + 1)}, x);
}

Tensor contiguous(const Tensor& x) {
  detail::check_defined("contiguous", "x", x);
  return x.is_contiguous() ? x : apply(Clone{}, x);
}

Tensor clone(const Tensor& x) {
  detail::check_defined("clone", "x", x);
  return apply(Clone{}, x);
}

Tensor cast(const Tensor& x, DType dtype) {
  detail::check_defined("cast", "x", x);
  if (x.dtype() == dtype) return x;
  if (!is_floating(x.dtype()) || !is_floating(dtype)) return copied(x, dtype);
  return apply(Cast{dtype}, x);
}

Tensor to(const Tensor& x, Device device) {
  detail::check_defined("to", "x", x);
  return x.device() == device ? x : apply(To{x.device(), device}, x);
}

const Tensor& fill_(const Tensor& x, double value) {
  detail::check_target("fill_", x);
  detail::check_number("fill_", x, value);
  fill_elements(x, value);
  return x;
}

const Tensor& copy_(const Tensor& x, const Tensor& from) {
  detail::check_target("copy_", x);
  detail::check_same_dtype("copy_", x, "from", from);
  detail::check_constant("copy_", "from", from);
  const Tensor* const both[] = {&x, &from};
  detail::check_same_device("copy_", both, 2);
  check<ShapeError>(broadcast("copy_", x.shape(), from.shape()) == x.shape(), [&] {
    return Complaint{fmt::format("copy_: from of shape {} does not broadcast to x of shape {}",
                                 to_string(from.shape()), to_string(x.shape())),
                     "write to a larger tensor"};
  });
  copy_elements(detail::unaliased(from, x), x);
  return x;
}

}  // namespace lockstep
