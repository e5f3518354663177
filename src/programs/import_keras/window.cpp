#include "src/programs/import_keras/window.h"

#include <fmt/format.h>

#include <algorithm>

namespace lockstep::programs {
namespace {

Sliding sliding(const LayerContext& layer, std::int64_t size, std::int64_t window,
                std::int64_t stride, bool is_same) {
  if (window < 1 || stride < 1) {
    layer.refuse_layer("a window or stride of 0", "give sizes of at least 1");
  }
  if (!is_same) {
    if (size < 0) return {-1};
    if (size < window) {
      layer.refuse_layer(fmt::format("a window of {} on {}", window, size), "use a smaller window");
    }
    return {(size - window) / stride + 1};
  }
  std::int64_t margin = window - 1;
  if (stride > 1) {
    const std::int64_t count = (layer.known(size) + stride - 1) / stride;
    margin = std::max<std::int64_t>((count - 1) * stride + window - size, 0);
  }
  const std::int64_t padded = size < 0 ? -1 : (size + margin - window) / stride + 1;
  return {padded, margin / 2, margin - margin / 2};
}

}  // namespace

bool is_padded_same(const LayerContext& layer) {
  const std::string padding = layer.text("padding", "valid");
  if (padding != "valid" && padding != "same") layer.refuse_setting("padding");
  return padding == "same";
}

Windowed windowed(const LayerContext& layer, const Sizes& window, const Sizes& stride,
                  const Sizes& dilation) {
  const bool is_same = is_padded_same(layer);
  const auto along = [&](std::size_t axis) {
    const std::int64_t reach = (window[axis] - 1) * dilation[axis] + 1;
    return sliding(layer, layer.input(3).shape[axis], reach, stride[axis], is_same);
  };
  return {along(0), along(1)};
}

}  // namespace lockstep::programs
