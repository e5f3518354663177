#include "src/programs/import_keras/layers.h"

namespace lockstep::programs {
namespace {

// [[top, bottom], [left, right]] as before and after.
std::pair<Sizes, Sizes> margins(const LayerContext& layer, const char* key) {
  const nlohmann::json& value = layer.setting(key);
  Sizes all;
  for (const nlohmann::json& side : value) {
    for (const nlohmann::json& size : side) {
      const bool is_size = size.is_number_integer() && size >= 0 && size < (1LL << 31);
      if (!is_size) layer.refuse_setting(key);
      all.push_back(size.get<std::int64_t>());
    }
  }
  if (all.size() != 4) layer.refuse_setting(key);
  return {{all[0], all[2]}, {all[1], all[3]}};
}

Sizes moved(const Sizes& shape, const std::pair<Sizes, Sizes>& by, int sign) {
  Sizes result = shape;
  for (std::size_t axis = 0; axis < 2; ++axis) {
    if (result[axis] >= 0) result[axis] += sign * (by.first[axis] + by.second[axis]);
  }
  return result;
}

Value zero_padding2d(LayerContext& layer) {
  layer.check_channels_last();
  const auto by = margins(layer, "padding");
  return layer.add("", {"pad2d", {{"before", by.first}, {"after", by.second}}}, layer.input(3),
                   moved(layer.input(3).shape, by, 1));
}

Value cropping2d(LayerContext& layer) {
  layer.check_channels_last();
  const auto by = margins(layer, "cropping");
  const Sizes shape = moved(layer.input(3).shape, by, -1);
  for (std::size_t axis = 0; axis < 2; ++axis) {
    if (layer.input().shape[axis] >= 0 && shape[axis] < 1) layer.refuse_setting("cropping");
  }
  return layer.add("", {"crop2d", {{"before", by.first}, {"after", by.second}}}, layer.input(3),
                   shape);
}

Value upsampling2d(LayerContext& layer) {
  layer.check_channels_last();
  if (layer.text("interpolation", "nearest") != "nearest") layer.refuse_setting("interpolation");
  const Sizes factor = layer.pair("size");
  Sizes shape = layer.input(3).shape;
  for (std::size_t axis = 0; axis < 2; ++axis) {
    if (shape[axis] >= 0) shape[axis] *= factor[axis];
  }
  return layer.add("", {"upsample2d", {{"factor", factor}}}, layer.input(), shape);
}

}  // namespace

Translators image_layers() {
  return {
      {"Cropping2D", cropping2d},
      {"UpSampling2D", upsampling2d},
      {"ZeroPadding2D", zero_padding2d},
  };
}

}  // namespace lockstep::programs
