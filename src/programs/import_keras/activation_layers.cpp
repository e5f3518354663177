#include "src/programs/import_keras/layers.h"

namespace lockstep::programs {
namespace {

Value dropout(LayerContext& layer) {
  if (layer.has("noise_shape")) layer.refuse_setting("noise_shape");
  return layer.add("", {"dropout", {{"probability", layer.number("rate")}}}, layer.input(),
                   layer.input().shape);
}

Value activation(LayerContext& layer) { return layer.activated(layer.input()); }

Value relu(LayerContext& layer) {
  if (layer.has("max_value")) layer.refuse_setting("max_value");
  for (const char* key : {"negative_slope", "threshold"}) {
    if (layer.has(key) && layer.number(key) != 0) layer.refuse_setting(key);
  }
  return layer.add("", {"relu"}, layer.input(), layer.input().shape);
}

Value softmax(LayerContext& layer) {
  if (!layer.setting("axis").is_number_integer()) layer.refuse_setting("axis");
  return layer.add("", {"softmax", {{"axis", layer.integer("axis")}}}, layer.input(),
                   layer.input().shape);
}

}  // namespace

Translators activation_layers() {
  return {
      {"Activation", activation},
      {"Dropout", dropout},
      {"ReLU", relu},
      {"Softmax", softmax},
  };
}

}  // namespace lockstep::programs
