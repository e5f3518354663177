#include "src/programs/import_keras/layers.h"

#include <limits>

namespace lockstep::programs {
namespace {

Value flatten(LayerContext& layer) {
  layer.check_channels_last();
  std::int64_t product = 1;
  for (const std::int64_t size : layer.input().shape) {
    const bool fits = size <= 0 || product <= std::numeric_limits<std::int32_t>::max() / size;
    if (!fits) layer.refuse_layer("its input is too large", "check the model's sizes");
    product = size < 0 || product < 0 ? -1 : product * size;
  }
  return layer.add("", {"flatten", {{"first", 1}}}, layer.input(), {product});
}

Value reshape(LayerContext& layer) {
  const nlohmann::json& target = layer.setting("target_shape");
  Sizes shape;
  for (const nlohmann::json& size : target) {
    const bool is_size = size.is_number_integer() && size >= -1 && size < (1LL << 31);
    if (!is_size) layer.refuse_setting("target_shape");
    shape.push_back(size.get<std::int64_t>());
  }
  return layer.add("", {"reshape", {{"shape", shape}}}, layer.input(), shape);
}

}  // namespace

Translators shape_layers() {
  return {
      {"Flatten", flatten},
      {"Reshape", reshape},
  };
}

}  // namespace lockstep::programs
