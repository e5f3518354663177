#include "src/programs/import_keras/layer_context.h"

#include <fmt/format.h>

#include <map>

#include "src/programs/import_keras/refuse.h"

namespace lockstep::programs {

using nlohmann::json;

namespace {

constexpr std::int64_t largest_size = std::int64_t{1} << 31U;

bool is_size(const json& value) {
  return value.is_number_integer() && value >= 0 && value < largest_size;
}

}  // namespace

void LayerContext::refuse_layer(const std::string& what, const std::string& fix) const {
  refuse(fmt::format("layer \"{}\" ({}): {}", shown(name()), shown(kind()), what), fix);
}

void LayerContext::refuse_setting(const char* key) const {
  const json value = has(key) ? layer_.config[key] : json();
  refuse_layer(fmt::format("{} = {} has no counterpart", key,
                           shown(value.dump(-1, ' ', true, json::error_handler_t::replace))),
               "docs/importing.md lists what can be imported");
}

const Value& LayerContext::input(int rank) const {
  if (inputs_.size() != 1) refuse_layer("it takes one input", "call it with one tensor");
  if (rank >= 0 && static_cast<int>(inputs_[0].shape.size()) != rank) {
    refuse_layer(fmt::format("its input has {} axes behind the batch axis, it takes {}",
                             inputs_[0].shape.size(), rank),
                 "feed images as [height, width, channels]");
  }
  return inputs_[0];
}

std::int64_t LayerContext::known(std::int64_t size) const {
  if (size < 0) {
    refuse_layer("a size of its input is not known", "give the input layer a complete shape");
  }
  return size;
}

bool LayerContext::has(const char* key) const {
  return layer_.config.is_object() && layer_.config.contains(key) && !layer_.config[key].is_null();
}

const json& LayerContext::setting(const char* key) const {
  if (!has(key))
    refuse_layer(fmt::format("its configuration lacks {}", key), "save the model again");
  return layer_.config[key];
}

bool LayerContext::flag(const char* key, bool fallback) const {
  if (!has(key)) return fallback;
  if (!setting(key).is_boolean()) refuse_setting(key);
  return setting(key).get<bool>();
}

double LayerContext::number(const char* key) const {
  if (!setting(key).is_number()) refuse_setting(key);
  return setting(key).get<double>();
}

std::int64_t LayerContext::integer(const char* key) const {
  const json& value = setting(key);
  if (!value.is_number_integer() || value <= -largest_size || value >= largest_size) {
    refuse_setting(key);
  }
  return value.get<std::int64_t>();
}

std::string LayerContext::text(const char* key, const std::string& fallback) const {
  if (!has(key)) return fallback;
  if (!setting(key).is_string()) refuse_setting(key);
  return setting(key).get<std::string>();
}

Sizes LayerContext::pair(const char* key) const {
  const json& value = setting(key);
  if (is_size(value)) return {value.get<std::int64_t>(), value.get<std::int64_t>()};
  const bool is_pair =
      value.is_array() && value.size() == 2 && is_size(value[0]) && is_size(value[1]);
  if (!is_pair) refuse_setting(key);
  return {value[0].get<std::int64_t>(), value[1].get<std::int64_t>()};
}

void LayerContext::check_channels_last() const {
  if (text("data_format", "channels_last") != "channels_last") refuse_setting("data_format");
}

std::string LayerContext::node_name(const std::string& suffix) const {
  return name() + (call_ == 0 ? "" : "@" + std::to_string(call_)) + suffix;
}

Value LayerContext::result(const std::string& suffix, Sizes shape) const {
  for (const std::int64_t size : shape) {
    if (size == 0 || size < -1 || size >= largest_size) {
      refuse_layer(fmt::format("its result has an axis of {}", size), "check the model's sizes");
    }
  }
  return {node_name(suffix), std::move(shape)};
}

Value LayerContext::add(const std::string& suffix, LayerSpec spec, const Value& input,
                        Sizes shape) {
  into_.graph.nodes.push_back({node_name(suffix), {input.name}, std::move(spec)});
  return result(suffix, std::move(shape));
}

Value LayerContext::join(LayerSpec spec, Sizes shape) {
  GraphNode node{node_name(""), {}, std::move(spec)};
  for (const Value& input : inputs_) node.inputs.push_back(input.name);
  into_.graph.nodes.push_back(std::move(node));
  return result("", std::move(shape));
}

Value LayerContext::add_holder(LayerSpec spec, const Value& input, Sizes shape,
                               const std::string& suffix) {
  if (call_ == 0) return add(suffix, std::move(spec), input, std::move(shape));
  into_.graph.nodes.push_back({node_name(suffix), {input.name}, {}, name() + suffix});
  return result(suffix, std::move(shape));
}

void LayerContext::weight(const std::string& meaning, Sizes shape, const std::string& tensor,
                          Sizes axes, Sizes sizes) {
  if (call_ > 0) return;
  into_.weights.push_back({name(), meaning, std::move(shape),
                           tensor.empty() ? "" : name() + "." + tensor, std::move(axes),
                           std::move(sizes)});
}

void LayerContext::constant(const std::string& tensor, std::int64_t elements, double value) {
  if (call_ == 0)
    into_.constants.push_back({tensor.empty() ? "" : name() + "." + tensor, elements, value});
}

Value LayerContext::activated(const Value& x) {
  // Without settings they are Keras's defaults.
  static const std::map<std::string, LayerSpec> known = {
      {"elu", {"elu", {{"alpha", 1.0}}}},
      {"gelu", {"exact_gelu"}},
      {"leaky_relu", {"leaky_relu", {{"slope", 0.2}}}},
      {"relu", {"relu"}},
      {"relu6", {"clamp", {{"low", 0.0}, {"high", 6.0}}}},
      {"sigmoid", {"sigmoid"}},
      {"silu", {"silu"}},
      {"softmax", {"softmax", {{"axis", -1}}}},
      {"swish", {"silu"}},
      {"tanh", {"tanh"}},
  };
  const std::string activation = text("activation", "linear");
  if (activation == "linear") return x;
  const auto found = known.find(activation);
  if (found == known.end()) refuse_setting("activation");
  return add(kind() == "Activation" ? "" : "." + activation, found->second, x, x.shape);
}

}  // namespace lockstep::programs
