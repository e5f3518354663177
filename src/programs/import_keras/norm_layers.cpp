#include "src/programs/import_keras/layers.h"

namespace lockstep::programs {
namespace {

// The channels, where the layer works over the last axis alone.
std::int64_t channels_of(const LayerContext& layer) {
  const Sizes& shape = layer.input().shape;
  const nlohmann::json& axis = layer.setting("axis");  // a number, or a list of one
  const nlohmann::json& single = axis.is_array() && axis.size() == 1 ? axis[0] : axis;
  const bool is_last = single == -1 || single == shape.size();
  if (shape.empty() || !is_last) layer.refuse_setting("axis");
  return layer.known(shape.back());
}

void scale_and_center(LayerContext& layer, std::int64_t channels) {
  const auto part = [&](const char* key, const char* meaning, const char* tensor, double value) {
    if (layer.flag(key, true)) {
      layer.weight(meaning, {channels}, tensor, {0});
    } else {
      layer.constant(tensor, channels, value);
    }
  };
  part("scale", "gamma", "weight", 1);
  part("center", "beta", "bias", 0);
}

Value batch_norm(LayerContext& layer) {
  const std::int64_t channels = channels_of(layer);
  scale_and_center(layer, channels);
  layer.weight("moving_mean", {channels}, "running_mean", {0});
  layer.weight("moving_variance", {channels}, "running_variance", {0});
  return layer.add_holder({"batch_norm",
                           {{"channels", channels},
                            {"momentum", 1 - layer.number("momentum")},
                            {"epsilon", layer.number("epsilon")}}},
                          layer.input(), layer.input().shape);
}

Value layer_norm(LayerContext& layer) {
  if (layer.flag("rms_scaling", false)) layer.refuse_setting("rms_scaling");
  const std::int64_t channels = channels_of(layer);
  scale_and_center(layer, channels);
  return layer.add_holder(
      {"layer_norm", {{"channels", channels}, {"epsilon", layer.number("epsilon")}}}, layer.input(),
      layer.input().shape);
}

Value normalization(LayerContext& layer) {
  for (const char* key : {"mean", "variance"}) {
    if (layer.has(key)) layer.refuse_setting(key);
  }
  if (layer.flag("invert", false)) layer.refuse_setting("invert");
  const std::int64_t channels = channels_of(layer);
  layer.weight("mean", {channels}, "mean", {0});
  layer.weight("variance", {channels}, "variance", {0});
  layer.unused_weight("count");
  return layer.add_holder({"standardize", {{"channels", channels}}}, layer.input(),
                          layer.input().shape);
}

Value rescaling(LayerContext& layer) {
  return layer.add(
      "", {"rescale", {{"scale", layer.number("scale")}, {"offset", layer.number("offset")}}},
      layer.input(), layer.input().shape);
}

}  // namespace

Translators norm_layers() {
  return {
      {"BatchNormalization", batch_norm},
      {"LayerNormalization", layer_norm},
      {"Normalization", normalization},
      {"Rescaling", rescaling},
  };
}

}  // namespace lockstep::programs
