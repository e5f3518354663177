#include "src/programs/import_keras/layers.h"

#include <limits>
#include <string_view>

#include "src/programs/import_keras/window.h"

namespace lockstep::programs {
namespace {

Value pool2d(LayerContext& layer, const char* kind, double margin) {
  layer.check_channels_last();
  const Sizes size = layer.pair("pool_size");
  const Sizes stride = layer.has("strides") ? layer.pair("strides") : size;
  const Windowed window = windowed(layer, size, stride, margin);
  const bool is_padded = window.rows.after > 0 || window.columns.after > 0;
  if (is_padded && std::string_view(kind) == "avg_pool2d") layer.refuse_setting("padding");
  return layer.add("", {kind, {{"window", size}, {"stride", stride}, {"padding", window.padding}}},
                   window.input, {window.rows.size, window.columns.size, layer.input().shape[2]});
}

Value max_pool2d(LayerContext& layer) {
  return pool2d(layer, "max_pool2d", -std::numeric_limits<double>::infinity());
}
Value avg_pool2d(LayerContext& layer) { return pool2d(layer, "avg_pool2d", 0); }

Value global_pool2d(LayerContext& layer, const char* kind) {
  layer.check_channels_last();
  const std::int64_t channels = layer.input(3).shape[2];
  const bool keep_dims = layer.flag("keepdims", false);
  return layer.add("", {kind, {{"keep_dims", keep_dims}}}, layer.input(),
                   keep_dims ? Sizes{1, 1, channels} : Sizes{channels});
}

Value global_max_pool2d(LayerContext& layer) { return global_pool2d(layer, "global_max_pool2d"); }
Value global_avg_pool2d(LayerContext& layer) { return global_pool2d(layer, "global_avg_pool2d"); }

}  // namespace

Translators pool_layers() {
  return {
      {"AveragePooling2D", avg_pool2d},
      {"GlobalAveragePooling2D", global_avg_pool2d},
      {"GlobalMaxPooling2D", global_max_pool2d},
      {"MaxPooling2D", max_pool2d},
  };
}

}  // namespace lockstep::programs
