// The structure that Keras writes into its files, of versions 2 and 3, as one form.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

namespace lockstep::programs {

// The result of a layer's call: layers may be called more than once.
struct KerasValue {
  std::string layer;
  std::size_t call = 0;
  friend auto operator<=>(const KerasValue&, const KerasValue&) = default;
};

struct KerasModel;

struct KerasLayer {
  std::string kind;  // "Conv2D"
  std::string name;  // "outer.inner" within a model within the model
  nlohmann::json config;
  std::vector<std::vector<KerasValue>> calls = {};  // what each call reads
  std::string group = {};                           // where a .keras archive keeps its weights
  std::shared_ptr<const KerasModel> model = {};     // where the layer is a model
  std::size_t first_call = 0;                       // the number that readers know calls[0] by
};

struct KerasModel {
  std::vector<KerasLayer> layers;
  std::vector<std::string> inputs;
  std::vector<KerasValue> outputs;
  bool begins_with_input = false;  // the first layer that its file lists is an InputLayer
  // Of a .keras archive: all groups of layers, and those that hold such groups.
  std::set<std::string> groups;
  std::set<std::string> containers;

  const KerasLayer& layer(const std::string& name) const;
};

// Models within the model are laid open, so that none is left. IoError names the layer that cannot
// be read: a custom call, an unbuilt model.
KerasModel keras_model(const nlohmann::json& config);

// All calls, each behind those that it reads. IoError names a layer on a cycle.
std::vector<KerasValue> in_running_order(const KerasModel& model);

}  // namespace lockstep::programs
