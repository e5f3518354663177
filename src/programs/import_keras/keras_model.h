// The structure that Keras writes into its files, of versions 2 and 3, as one form.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lockstep::programs {

// The result of a layer's call: layers may be called more than once.
struct KerasValue {
  std::string layer;
  std::size_t call = 0;
  friend auto operator<=>(const KerasValue&, const KerasValue&) = default;
};

struct KerasLayer {
  std::string kind;  // "Conv2D"
  std::string name;
  nlohmann::json config;
  std::vector<std::vector<KerasValue>> calls;  // what each call reads
};

struct KerasModel {
  std::vector<KerasLayer> layers;
  std::vector<KerasValue> outputs;

  const KerasLayer& layer(const std::string& name) const;
};

// Parses JSON of any depth up to a limit. IoError for other text.
nlohmann::json parsed_json(const std::string& text, const std::string& what);

// IoError names the layer that cannot be read: a nested model, a custom call, an unbuilt model.
KerasModel keras_model(const nlohmann::json& config);

// All calls, each behind those that it reads. IoError names a layer on a cycle.
std::vector<KerasValue> in_running_order(const KerasModel& model);

}  // namespace lockstep::programs
