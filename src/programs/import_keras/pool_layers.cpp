#include "src/programs/import_keras/layers.h"

#include "src/programs/import_keras/window.h"

namespace lockstep::programs {
namespace {

Value pool2d(LayerContext& layer, LayerSpec spec) {
  layer.check_channels_last();
  const Sizes size = layer.pair("pool_size");
  const Sizes stride = layer.has("strides") ? layer.pair("strides") : size;
  const Windowed window = windowed(layer, size, stride);
  spec.attributes.merge(Attributes{{"window", size},
                                   {"stride", stride},
                                   {"padding", window.padding()},
                                   {"padding_after", window.padding_after()}});
  return layer.add("", std::move(spec), layer.input(),
                   {window.rows.size, window.columns.size, layer.input().shape[2]});
}

Value max_pool2d(LayerContext& layer) { return pool2d(layer, {"max_pool2d"}); }
Value avg_pool2d(LayerContext& layer) {
  return pool2d(layer, {"avg_pool2d", {{"counts_padding", false}}});
}

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
