#include "src/programs/import_keras/translation.h"

#include <fmt/format.h>

#include <optional>

#include "src/programs/import_keras/layers.h"
#include "src/programs/import_keras/refuse.h"

namespace lockstep::programs {
namespace {

const Translators& layers() {
  static const Translators all = [] {
    Translators merged;
    for (Translators group : {activation_layers(), conv_layers(), dense_layers(), image_layers(),
                              join_layers(), norm_layers(), pool_layers(), shape_layers()}) {
      merged.merge(group);
    }
    return merged;
  }();
  return all;
}

void check_known(const KerasModel& model) {
  for (const KerasLayer& layer : model.layers) {
    if (layer.kind == "InputLayer" || layers().contains(layer.kind)) continue;
    refuse(fmt::format("layer \"{}\" is a {}, which cannot be imported", shown(layer.name),
                       shown(layer.kind)),
           "replace it; docs/importing.md lists the layers, and code within a file is never run");
  }
}

// What our graph calls the elements; nothing for those that it knows no input of.
std::optional<DType> dtype_of(const nlohmann::json& keras) {
  if (keras == "float32") return DType::f32;
  if (keras == "int32" || keras == "int64") return DType::i64;
  return std::nullopt;
}

Value input_of(const KerasLayer& layer, GraphSpec& graph) {
  const char* key = layer.config.contains("batch_shape") ? "batch_shape" : "batch_input_shape";
  const nlohmann::json shape = layer.config.value(key, nlohmann::json());
  const auto dtype = dtype_of(layer.config.value("dtype", nlohmann::json("float32")));
  Value value{layer.name, {}, dtype == DType::i64};
  bool is_valid = dtype && shape.is_array() && !shape.empty() && shape.size() <= 6;
  for (std::size_t axis = 1; is_valid && axis < shape.size(); ++axis) {
    const nlohmann::json& size = shape[axis];
    is_valid =
        size.is_null() || (size.is_number_integer() && size >= 1 && size < std::int64_t{1} << 31U);
    if (is_valid) value.shape.push_back(size.is_null() ? -1 : size.get<std::int64_t>());
  }
  if (!is_valid) {
    refuse(fmt::format("the input \"{}\" has no shape of at most 5 sizes or is neither float32 nor "
                       "int32",
                       shown(layer.name)),
           "give the input layer a shape and float32 elements");
  }
  graph.inputs.push_back({layer.name, value.shape, *dtype});
  return value;
}

void check_elements(const LayerContext& layer) {
  for (const Value& input : layer.inputs()) {
    if (input.is_whole && layer.kind() != "Embedding") {
      layer.refuse_layer("its input is of whole numbers", "feed float32, or an Embedding");
    }
  }
}

}  // namespace

Translation translated(const KerasModel& model) {
  check_known(model);
  Translation result;
  std::map<KerasValue, Value> values;
  for (const KerasValue& each : in_running_order(model)) {
    const KerasLayer& layer = model.layer(each.layer);
    if (layer.kind == "InputLayer") {
      values[each] = input_of(layer, result.graph);
      continue;
    }
    std::vector<Value> inputs;
    for (const KerasValue& input : layer.calls[each.call]) inputs.push_back(values.at(input));
    LayerContext context(result, layer, each.call, std::move(inputs));
    check_elements(context);
    values[each] = layers().at(layer.kind)(context);
  }
  for (const KerasValue& output : model.outputs) {
    const auto value = values.find(output);
    if (value == values.end()) {
      refuse(fmt::format("the output \"{}\" is never computed", shown(output.layer)));
    }
    result.graph.outputs.push_back(value->second.name);
  }
  return result;
}

}  // namespace lockstep::programs
