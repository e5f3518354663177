#include "src/programs/import_keras/keras_call.h"

#include <fmt/format.h>

#include "src/programs/import_keras/json_members.h"
#include "src/programs/import_keras/refuse.h"

namespace lockstep::programs {

using nlohmann::json;

namespace {

// Keyword arguments of a call change what a layer computes; absent ones are null, and
// training=False says what is so anyway.
void check_keywords(const json& keywords, const std::string& layer) {
  for (const auto& [key, value] : keywords.items()) {
    if (!value.is_null() && !(key == "training" && value == false)) {
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

}  // namespace

void refuse_call(const std::string& layer) {
  refuse(fmt::format("layer \"{}\": its call is not understood", shown(layer)),
         "call layers with tensors or lists of tensors only");
}

KerasValue value_of(const json& history, const std::string& layer) {
  const bool is_valid = history.is_array() && history.size() >= 3 && history[0].is_string() &&
                        history[1].is_number_unsigned() && history[2] == 0;
  if (!is_valid) refuse_call(layer);
  return {history[0].get<std::string>(), history[1].get<std::size_t>()};
}

std::vector<KerasValue> call_of(const json& call, const std::string& layer) {
  return call.is_array() ? call_of_version_2(call, layer) : call_of_version_3(call, layer);
}

}  // namespace lockstep::programs
