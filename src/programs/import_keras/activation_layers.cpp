#include "src/programs/import_keras/layers.h"

namespace lockstep::programs {
namespace {

Value dropout(LayerContext& layer) {
  if (layer.has("noise_shape")) layer.refuse_setting("noise_shape");
  return layer.add("", {"dropout", {{"probability", layer.number("rate")}}}, layer.input(),
                   layer.input().shape);
}

Value activation(LayerContext& layer) { return layer.activated(layer.input()); }

Value as_is(LayerContext& layer, LayerSpec spec) {
  return layer.add("", std::move(spec), layer.input(), layer.input().shape);
}

Value relu(LayerContext& layer) {
  if (layer.has("threshold") && layer.number("threshold") != 0) layer.refuse_setting("threshold");
  const double slope = layer.has("negative_slope") ? layer.number("negative_slope") : 0;
  if (layer.has("max_value")) {
    if (slope != 0 || layer.number("max_value") < 0) layer.refuse_setting("max_value");
    return as_is(layer, {"clamp", {{"low", 0.0}, {"high", layer.number("max_value")}}});
  }
  return as_is(layer, slope == 0 ? LayerSpec{"relu"} : LayerSpec{"leaky_relu", {{"slope", slope}}});
}

// Keras 2 calls the slope alpha.
Value leaky_relu(LayerContext& layer) {
  const char* key = layer.has("negative_slope") ? "negative_slope" : "alpha";
  return as_is(layer, {"leaky_relu", {{"slope", layer.number(key)}}});
}

Value elu(LayerContext& layer) { return as_is(layer, {"elu", {{"alpha", layer.number("alpha")}}}); }

Value softmax(LayerContext& layer) {
  if (!layer.setting("axis").is_number_integer()) layer.refuse_setting("axis");
  return layer.add("", {"softmax", {{"axis", layer.integer("axis")}}}, layer.input(),
                   layer.input().shape);
}

}  // namespace

Translators activation_layers() {
  return {
      {"Activation", activation}, {"Dropout", dropout}, {"ELU", elu},
      {"LeakyReLU", leaky_relu},  {"ReLU", relu},       {"Softmax", softmax},
  };
}

}  // namespace lockstep::programs
