// The structure of a model as plain data: what nn::Graph is built from and io keeps as model.json.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "lockstep/base/dtype.h"

namespace lockstep {

using Attribute = std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>>;
using Attributes = std::map<std::string, Attribute>;

// What one layer is, apart from its values: its kind ("conv2d") and what it was made with.
struct LayerSpec {
  std::string kind;
  Attributes attributes = {};
  friend bool operator==(const LayerSpec&, const LayerSpec&) = default;
};

// A tensor that the model is given: the sizes behind the batch axis, -1 where any size will do.
struct GraphInput {
  std::string name;
  std::vector<std::int64_t> shape;
  DType dtype = DType::f32;
  friend bool operator==(const GraphInput&, const GraphInput&) = default;
};

// A layer applied to the results of inputs and earlier nodes. Its tensors are named "<name>.weight"
// and so on.
struct GraphNode {
  std::string name;
  std::vector<std::string> inputs;
  LayerSpec layer = {};
  // An earlier node whose layer, tensors included, is applied once more; `layer` is empty then.
  std::string shares = {};
  friend bool operator==(const GraphNode&, const GraphNode&) = default;
};

// Nodes stand in an order in which they can run. Names are unique among inputs and nodes.
struct GraphSpec {
  std::vector<GraphInput> inputs;
  std::vector<GraphNode> nodes;
  std::vector<std::string> outputs;
  // How the model was trained where it comes from ("optimizer", "loss", "learning_rate"); a graph
  // itself does not read it.
  Attributes training = {};
  friend bool operator==(const GraphSpec&, const GraphSpec&) = default;
};

}  // namespace lockstep
