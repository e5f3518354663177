#include "src/programs/import_keras/layers.h"

namespace lockstep::programs {
namespace {

Value element_wise(LayerContext& layer, const char* kind) {
  if (layer.inputs().size() < 2) layer.refuse_layer("it has one input", "give it two or more");
  for (const Value& each : layer.inputs()) {
    if (each.shape.size() != layer.inputs()[0].shape.size()) {
      layer.refuse_layer("its inputs differ in their number of axes", "reshape them before it");
    }
  }
  Sizes shape = layer.inputs()[0].shape;
  for (const Value& each : layer.inputs()) {
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      if (shape[axis] == 1) shape[axis] = each.shape[axis];
    }
  }
  return layer.join({kind}, shape);
}

Value add(LayerContext& layer) { return element_wise(layer, "add"); }
Value multiply(LayerContext& layer) { return element_wise(layer, "multiply"); }

Value concatenate(LayerContext& layer) {
  if (layer.inputs().empty()) layer.refuse_layer("it has no inputs", "give it two or more");
  Sizes shape = layer.inputs()[0].shape;
  const auto axes = static_cast<std::int64_t>(shape.size()) + 1;
  std::int64_t axis = layer.has("axis") ? layer.integer("axis") : -1;
  if (axis < 0) axis += axes;
  if (axis < 1 || axis >= axes) layer.refuse_setting("axis");
  std::int64_t sum = 0;
  for (const Value& each : layer.inputs()) {
    if (each.shape.size() != shape.size()) layer.refuse_setting("axis");
    const std::int64_t size = each.shape[static_cast<std::size_t>(axis - 1)];
    sum = size < 0 || sum < 0 ? -1 : sum + size;
  }
  shape[static_cast<std::size_t>(axis - 1)] = sum;
  return layer.join({"concat", {{"axis", axis}}}, shape);
}

}  // namespace

Translators join_layers() {
  return {
      {"Add", add},
      {"Concatenate", concatenate},
      {"Multiply", multiply},
  };
}

}  // namespace lockstep::programs
