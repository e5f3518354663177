#include "src/programs/import_keras/keras_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "src/programs/import_keras/refuse.h"

namespace lockstep::programs {
namespace {

using nlohmann::json;

std::string text_of(const json& object, const char* key) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_string()) {
    refuse(fmt::format("the model's configuration lacks the text \"{}\"", key));
  }
  return object[key].get<std::string>();
}

const json& member(const json& object, const char* key, const std::string& where) {
  if (!object.is_object() || !object.contains(key)) {
    refuse(fmt::format("{}: the configuration lacks \"{}\"", where, key));
  }
  return object[key];
}

[[noreturn]] void refuse_call(const std::string& layer) {
  refuse(fmt::format("layer \"{}\": its call is not understood", shown(layer)),
         "call layers with tensors or lists of tensors only");
}

KerasValue value_of(const json& history, const std::string& layer) {
  const bool is_valid = history.is_array() && history.size() >= 3 && history[0].is_string() &&
                        history[1].is_number_unsigned() && history[2] == 0;
  if (!is_valid) refuse_call(layer);
  return {history[0].get<std::string>(), history[1].get<std::size_t>()};
}

// Keyword arguments of a call change what a layer computes; absent ones are null.
void check_keywords(const json& keywords, const std::string& layer) {
  for (const auto& [key, value] : keywords.items()) {
    if (!value.is_null()) {
      refuse(fmt::format("layer \"{}\" is called with {}={}", shown(layer), shown(key),
                         shown(value.dump(-1, ' ', true, json::error_handler_t::replace))),
             "call the layer without keyword arguments");
    }
  }
}

// Keras 2: [["conv", 0, 0, {}], ...].
std::vector<KerasValue> call_of_version_2(const json& call, const std::string& layer) {
  std::vector<KerasValue> inputs;
  for (const json& each : call) {
    inputs.push_back(value_of(each, layer));
    if (each.size() > 3) check_keywords(each[3], layer);
  }
  return inputs;
}

// Keras 3: {"args": [tensor or [tensor, ...]], "kwargs": {}}.
std::vector<KerasValue> call_of_version_3(const json& call, const std::string& layer) {
  check_keywords(member(call, "kwargs", layer), layer);
  const json& arguments = member(call, "args", layer);
  if (!arguments.is_array() || arguments.size() != 1) refuse_call(layer);
  const json tensors = arguments[0].is_array() ? arguments[0] : json::array({arguments[0]});
  std::vector<KerasValue> inputs;
  for (const json& tensor : tensors) {
    if (text_of(tensor, "class_name") != "__keras_tensor__") refuse_call(layer);
    inputs.push_back(
        value_of(member(member(tensor, "config", layer), "keras_history", layer), layer));
  }
  return inputs;
}

KerasLayer layer_of(const json& entry) {
  KerasLayer layer{text_of(entry, "class_name"), {}, member(entry, "config", "a layer"), {}};
  layer.name = entry.contains("name") ? text_of(entry, "name") : text_of(layer.config, "name");
  if (layer.kind == "Sequential" || layer.kind == "Functional" || layer.kind == "Model") {
    refuse(fmt::format("layer \"{}\" is a model within the model", shown(layer.name)),
           "build one flat model of its layers, copy the weights, and save that");
  }
  return layer;
}

// The sizes that the first layer of a Sequential was built for.
json input_shape(const json& config, const json& first) {
  for (const char* key : {"batch_shape", "batch_input_shape"}) {
    if (first.contains(key)) return first[key];
  }
  return config.contains("build_input_shape") ? config["build_input_shape"] : json();
}

KerasModel sequential(const json& config) {
  KerasModel model;
  // Very old files hold the list itself.
  const json& entries = config.is_array() ? config : member(config, "layers", "the model");
  for (const json& entry : entries) {
    KerasLayer layer = layer_of(entry);
    if (model.layers.empty() && layer.kind != "InputLayer") {
      const json shape = input_shape(config, layer.config);
      if (shape.is_null()) {
        refuse("the model has no input shape", "build it (call it once) before model.save()");
      }
      model.layers.push_back({"InputLayer", "input", {{"batch_shape", shape}}, {{}}});
    }
    layer.calls.emplace_back();
    if (!model.layers.empty()) layer.calls.back().push_back({model.layers.back().name, 0});
    model.layers.push_back(std::move(layer));
  }
  if (model.layers.empty()) refuse("the model has no layers");
  model.outputs = {{model.layers.back().name, 0}};
  return model;
}

KerasModel functional(const json& config) {
  KerasModel model;
  for (const json& entry : member(config, "layers", "the model")) {
    KerasLayer layer = layer_of(entry);
    for (const json& call : member(entry, "inbound_nodes", "layer " + shown(layer.name))) {
      layer.calls.push_back(call.is_array() ? call_of_version_2(call, layer.name)
                                            : call_of_version_3(call, layer.name));
    }
    if (layer.kind == "InputLayer") layer.calls = {{}};
    model.layers.push_back(std::move(layer));
  }
  // One output is written as itself, several as a list.
  const json& outputs = member(config, "output_layers", "the model");
  if (!outputs.is_array() || outputs.empty()) refuse("the model has no list of outputs");
  if (outputs[0].is_string()) {
    model.outputs = {value_of(outputs, "the outputs")};
  } else {
    for (const json& each : outputs) model.outputs.push_back(value_of(each, "the outputs"));
  }
  return model;
}

void check_names(const KerasModel& model) {
  std::set<std::string> names;
  for (const KerasLayer& layer : model.layers) {
    if (!names.insert(layer.name).second) {
      refuse(fmt::format("two layers are called \"{}\"", shown(layer.name)));
    }
  }
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

json parsed_json(const std::string& text, const std::string& what) {
  constexpr int deepest = 40;
  try {
    return json::parse(text, [&](int depth, json::parse_event_t, json&) {
      if (depth > deepest) refuse(what + " is nested too deeply");
      return true;
    });
  } catch (const json::exception& error) {
    refuse(fmt::format("{} is not valid JSON ({})", what, shown(error.what())));
  }
}

KerasModel keras_model(const json& config) {
  const std::string kind = text_of(config, "class_name");
  const json& inner = member(config, "config", "the model");
  KerasModel model;
  if (kind == "Sequential") {
    model = sequential(inner);
  } else if (kind == "Functional" || kind == "Model") {
    model = functional(inner);
  } else {
    refuse(fmt::format("the model is of the class {}", shown(kind)),
           "build it as a Sequential or functional model");
  }
  check_names(model);
  return model;
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
