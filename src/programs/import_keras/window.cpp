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

Windowed windowed(const LayerContext& layer, const Sizes& window, const Sizes& stride) {
  const std::string padding = layer.text("padding", "valid");
  if (padding != "valid" && padding != "same") layer.refuse_setting("padding");
  const Sizes& shape = layer.input(3).shape;
  const bool is_same = padding == "same";
  return {sliding(layer, shape[0], window[0], stride[0], is_same),
          sliding(layer, shape[1], window[1], stride[1], is_same)};
}

}  // namespace lockstep::programs
