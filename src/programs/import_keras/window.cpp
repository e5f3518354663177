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

Windowed windowed(LayerContext& layer, const Sizes& window, const Sizes& stride, double value) {
  const std::string padding = layer.text("padding", "valid");
  if (padding != "valid" && padding != "same") layer.refuse_setting("padding");
  Windowed result{.input = layer.input(3), .rows = {}, .columns = {}};
  const Sizes& shape = result.input.shape;
  const bool is_same = padding == "same";
  Sliding& rows = result.rows = sliding(layer, shape[0], window[0], stride[0], is_same);
  Sliding& columns = result.columns = sliding(layer, shape[1], window[1], stride[1], is_same);
  if (rows.before == rows.after && columns.before == columns.after) {
    result.padding = {rows.before, columns.before};
    return result;
  }
  const Attributes margin = {{"before", Sizes{rows.before, columns.before}},
                             {"after", Sizes{rows.after, columns.after}},
                             {"value", value}};
  result.input = layer.add(".pad", {"pad2d", margin}, result.input, {-1, -1, shape[2]});
  return result;
}

}  // namespace lockstep::programs
