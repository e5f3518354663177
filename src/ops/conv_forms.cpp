#include "src/ops/conv_forms.h"

#include <fmt/format.h>

#include <vector>

#include "lockstep/base/error.h"
#include "lockstep/ops/views.h"
#include "src/ops/window.h"

namespace lockstep::detail {
namespace {

// Each channel `times` times in a row.
Tensor repeated_channels(const Tensor& x, std::int64_t times) {
  const Shape& s = x.shape();
  const Tensor apart = reshape(x, {s[0], s[1], s[2], s[3], 1});
  return reshape(expand(apart, {s[0], s[1], s[2], s[3], times}), {s[0], s[1], s[2], s[3] * times});
}

std::int64_t rounded_up(std::int64_t size, std::int64_t step) {
  return (size + step - 1) / step * step;
}

// Pixels that lie a dilation apart become neighbours: [n, h, w, c] -> [dh dw n, h / dh, w / dw, c].
Tensor phases(const Tensor& x, Extent by) {
  const Shape& s = x.shape();
  const std::int64_t rows = s[1] / by.height, columns = s[2] / by.width;
  const Tensor apart = reshape(x, {s[0], rows, by.height, columns, by.width, s[3]});
  return reshape(permute(apart, {2, 4, 0, 1, 3, 5}),
                 {by.height * by.width * s[0], rows, columns, s[3]});
}

Tensor joined_phases(const Tensor& y, Extent by) {
  const Shape& s = y.shape();
  const std::int64_t images = s[0] / (by.height * by.width);
  const Tensor apart = reshape(y, {by.height, by.width, images, s[1], s[2], s[3]});
  return reshape(permute(apart, {2, 3, 0, 4, 1, 5}),
                 {images, s[1] * by.height, s[2] * by.width, s[3]});
}

void check_dilation(const Conv2dOptions& options) {
  const Extent dilation = options.dilation, stride = options.stride;
  const bool is_valid =
      dilation.height >= 1 && dilation.width >= 1 && stride.height == 1 && stride.width == 1;
  check<UsageError>(is_valid, [&] {
    return Complaint{fmt::format("conv2d: dilation {} x {}, stride {} x {}", dilation.height,
                                 dilation.width, stride.height, stride.width),
                     "use a dilation of at least 1, and with one above 1 a stride of 1"};
  });
}

}  // namespace

Tensor grouped_conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                      const Conv2dOptions& options) {
  const std::int64_t in = weight.size(3), out = weight.size(0) / options.groups;
  Conv2dOptions each = options;
  if (in == 1) {
    each.groups = static_cast<int>(weight.size(0));
    return conv2d(repeated_channels(x, out), weight, bias, each);
  }
  each.groups = 1;
  std::vector<Tensor> parts;
  for (std::int64_t group = 0; group < options.groups; ++group) {
    const std::int64_t begin = group * out, end = begin + out;
    parts.push_back(conv2d(slice(x, 3, group * in, (group + 1) * in), slice(weight, 0, begin, end),
                           bias.is_defined() ? slice(bias, 0, begin, end) : bias, each));
  }
  return cat(parts, 3);
}

Tensor dilated_conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                      const Conv2dOptions& options) {
  check_dilation(options);
  const Extent by = options.dilation, before = options.padding.before;
  const Extent kernel{(static_cast<int>(weight.size(1)) - 1) * by.height + 1,
                      (static_cast<int>(weight.size(2)) - 1) * by.width + 1};
  const kernels::Window window = window_of("conv2d", kernel, 1, options.padding);
  const Shape result = windowed("conv2d", x.shape(), window, options.padding.after, weight.size(0));
  const std::int64_t height = rounded_up(result[1] + kernel.height - 1, by.height);
  const std::int64_t width = rounded_up(result[2] + kernel.width - 1, by.width);
  const Extent after{static_cast<int>(height - x.size(1)) - before.height,
                     static_cast<int>(width - x.size(2)) - before.width};
  Conv2dOptions plain = options;
  plain.padding = 0;
  plain.dilation = 1;
  const Tensor padded = pad2d(x, {.before = before, .after = after});
  const Tensor y = joined_phases(conv2d(phases(padded, by), weight, bias, plain), by);
  return contiguous(slice(slice(y, 1, 0, result[1]), 2, 0, result[2]));
}

}  // namespace lockstep::detail
