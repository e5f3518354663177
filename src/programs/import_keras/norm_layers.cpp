#include "src/programs/import_keras/layers.h"

namespace lockstep::programs {
namespace {

Value batch_norm(LayerContext& layer) {
  const Value x = layer.input();
  const auto last = static_cast<std::int64_t>(x.shape.size());
  const nlohmann::json& axis = layer.setting("axis");  // Keras 2 writes a list
  const nlohmann::json& single = axis.is_array() && axis.size() == 1 ? axis[0] : axis;
  if (single != -1 && single != last) layer.refuse_setting("axis");
  if (x.shape.empty()) layer.refuse_setting("axis");
  const std::int64_t channels = layer.known(x.shape.back());
  const auto part = [&](const char* key, const char* meaning, const char* tensor, double value) {
    if (layer.flag(key, true)) {
      layer.weight(meaning, {channels}, tensor, {0});
    } else {
      layer.constant(tensor, channels, value);
    }
  };
  part("scale", "gamma", "weight", 1);
  part("center", "beta", "bias", 0);
  layer.weight("moving_mean", {channels}, "running_mean", {0});
  layer.weight("moving_variance", {channels}, "running_variance", {0});
  return layer.add_holder({"batch_norm",
                           {{"channels", channels},
                            {"momentum", 1 - layer.number("momentum")},
                            {"epsilon", layer.number("epsilon")}}},
                          x, x.shape);
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
      {"Rescaling", rescaling},
  };
}

}  // namespace lockstep::programs
