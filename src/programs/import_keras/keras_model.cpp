#include "src/programs/import_keras/keras_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <regex>

#include "src/programs/import_keras/json_members.h"
#include "src/programs/import_keras/keras_call.h"
#include "src/programs/import_keras/nested_models.h"
#include "src/programs/import_keras/refuse.h"

namespace lockstep::programs {
namespace {

using nlohmann::json;

bool is_model(const std::string& kind) {
  return kind == "Sequential" || kind == "Functional" || kind == "Model";
}

KerasModel model_of(const std::string& kind, const json& config, bool is_inner);

KerasLayer layer_of(const json& entry) {
  KerasLayer layer{text_of(entry, "class_name"), {}, member(entry, "config", "a layer")};
  layer.name = entry.contains("name") ? text_of(entry, "name") : text_of(layer.config, "name");
  if (is_model(layer.kind)) {
    layer.model = std::make_shared<KerasModel>(model_of(layer.kind, layer.config, true));
  }
  return layer;
}

// The sizes that the first layer of a Sequential was built for.
json input_shape(const json& config, const json& first) {
  for (const char* key : {"batch_shape", "batch_input_shape", "build_input_shape"}) {
    if (first.contains(key)) return first[key];
  }
  if (config.contains("build_input_shape")) return config["build_input_shape"];
  // A model within the model names its sizes in its own first layer.
  const json layers = first.contains("layers") ? first["layers"] : json();
  const bool is_nested = layers.is_array() && !layers.empty() && layers[0].contains("config");
  return is_nested ? input_shape(first, layers[0]["config"]) : json();
}

KerasModel sequential(const json& config, bool is_inner) {
  KerasModel model;
  // Very old files hold the list itself.
  const json& entries = config.is_array() ? config : member(config, "layers", "the model");
  for (const json& entry : entries) {
    KerasLayer layer = layer_of(entry);
    if (model.layers.empty() && layer.kind != "InputLayer") {
      const json shape = input_shape(config, layer.config);
      if (shape.is_null() && !is_inner) {
        refuse("the model has no input shape", "build it (call it once) before model.save()");
      }
      model.layers.push_back({"InputLayer", "input", {{"batch_shape", shape}}, {{}}});
    }
    layer.calls.emplace_back();
    if (!model.layers.empty()) layer.calls.back().push_back({model.layers.back().name, 0});
    model.layers.push_back(std::move(layer));
  }
  if (model.layers.empty()) refuse("the model has no layers");
  model.inputs = {model.layers.front().name};
  model.outputs = {{model.layers.back().name, 0}};
  return model;
}

// One input or output is written as itself, several as a list.
std::vector<KerasValue> ends_of(const json& config, const char* key) {
  const json& ends = member(config, key, "the model");
  if (!ends.is_array() || ends.empty()) refuse(fmt::format("the model has no list of {}", key));
  if (ends[0].is_string()) return {value_of(ends, key)};
  std::vector<KerasValue> all;
  for (const json& each : ends) all.push_back(value_of(each, key));
  return all;
}

// Keras 2 counts the call that made a model with inputs of its own as the first one.
std::size_t first_call_of(const KerasLayer& layer, const json& calls) {
  const bool is_version_2 = calls.is_array() && !calls.empty() && calls[0].is_array();
  if (!layer.model || !is_version_2) return 0;
  return layer.model->begins_with_input ? 1 : 0;
}

KerasModel functional(const json& config) {
  KerasModel model;
  for (const json& entry : member(config, "layers", "the model")) {
    KerasLayer layer = layer_of(entry);
    const json& calls = member(entry, "inbound_nodes", "layer " + shown(layer.name));
    layer.first_call = first_call_of(layer, calls);
    for (const json& call : calls) {
      layer.calls.push_back(call_of(call, layer.name));
    }
    if (layer.kind == "InputLayer") layer.calls = {{}};
    model.layers.push_back(std::move(layer));
  }
  for (const KerasValue& input : ends_of(config, "input_layers")) {
    model.inputs.push_back(input.layer);
  }
  model.outputs = ends_of(config, "output_layers");
  return model;
}

// As Keras makes the names of groups from those of classes: "MaxPooling2D" -> "max_pooling2d".
std::string snake_case(const std::string& kind) {
  static const std::regex word("(.)([A-Z][a-z]+)"), edge("([a-z])([A-Z])");
  std::string name = std::regex_replace(std::regex_replace(kind, word, "$1_$2"), edge, "$1_$2");
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char each) { return static_cast<char>(std::tolower(each)); });
  return name;
}

// An archive counts the layers of a model by their classes.
void name_groups(KerasModel& model) {
  std::map<std::string, int> count;
  for (KerasLayer& layer : model.layers) {
    const std::string kind = snake_case(layer.kind);
    const int number = count[kind]++;
    layer.group = "layers/" + (number == 0 ? kind : fmt::format("{}_{}", kind, number));
    model.groups.insert(layer.group);
  }
  model.containers = {"layers"};
}

void check_names(const KerasModel& model) {
  std::set<std::string> names;
  for (const KerasLayer& layer : model.layers) {
    if (!names.insert(layer.name).second) {
      refuse(fmt::format("two layers are called \"{}\"", shown(layer.name)));
    }
  }
}

bool begins_with_input_layer(const json& config) {
  const json& entries = config.is_array() ? config : member(config, "layers", "the model");
  return entries.is_array() && !entries.empty() &&
         text_of(entries[0], "class_name") == "InputLayer";
}

KerasModel model_of(const std::string& kind, const json& config, bool is_inner) {
  KerasModel model = kind == "Sequential" ? sequential(config, is_inner) : functional(config);
  const bool begins_with_input = begins_with_input_layer(config);
  name_groups(model);
  check_names(model);
  model = laid_open(model);
  check_names(model);
  model.begins_with_input = begins_with_input;
  return model;
}

}  // namespace

const KerasLayer& KerasModel::layer(const std::string& name) const {
  const auto found = std::find_if(layers.begin(), layers.end(),
                                  [&](const KerasLayer& each) { return each.name == name; });
  if (found == layers.end()) {
    refuse(fmt::format("a layer reads \"{}\", which the model lacks", shown(name)));
  }
  return *found;
}

KerasModel keras_model(const json& config) {
  const std::string kind = text_of(config, "class_name");
  if (!is_model(kind)) {
    refuse(fmt::format("the model is of the class {}", shown(kind)),
           "build it as a Sequential or functional model");
  }
  return model_of(kind, member(config, "config", "the model"), false);
}

std::vector<KerasValue> in_running_order(const KerasModel& model) {
  std::map<KerasValue, std::vector<KerasValue>> readers;
  std::map<KerasValue, std::size_t> missing;  // inputs that have not run
  std::vector<KerasValue> order;
  for (const KerasLayer& layer : model.layers) {
    for (std::size_t call = 0; call < layer.calls.size(); ++call) {
      const KerasValue value{layer.name, call};
      for (const KerasValue& input : layer.calls[call]) {
        if (input.call >= model.layer(input.layer).calls.size()) refuse_call(layer.name);
        readers[input].push_back(value);
      }
      missing[value] = layer.calls[call].size();
      if (layer.calls[call].empty()) order.push_back(value);
    }
  }
  for (std::size_t i = 0; i < order.size(); ++i) {
    const KerasValue done = order[i];
    for (const KerasValue& reader : readers[done]) {
      if (--missing[reader] == 0) order.push_back(reader);
    }
  }
  for (const auto& [value, count] : missing) {
    if (count > 0) {
      refuse(fmt::format("layer \"{}\" stands on a cycle", shown(value.layer)),
             "a model must be an acyclic graph");
    }
  }
  return order;
}

}  // namespace lockstep::programs
