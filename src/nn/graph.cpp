#include "lockstep/nn/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "lockstep/base/error.h"
#include "lockstep/ops/pointwise.h"
#include "lockstep/ops/views.h"
#include "src/nn/attributes.h"
#include "src/nn/layer_factory.h"

namespace lockstep::nn {
namespace {

[[noreturn]] void refuse(const std::string& what, const std::string& fix) {
  throw UsageError({"Graph: " + what, fix});
}

bool fits(const Tensor& x, const GraphInput& input) {
  if (x.rank() != static_cast<int>(input.shape.size()) + 1) return false;
  for (int axis = 1; axis < x.rank(); ++axis) {
    const std::int64_t size = input.shape[static_cast<std::size_t>(axis - 1)];
    if (size != -1 && size != x.shape()[axis]) return false;
  }
  return true;
}

}  // namespace

Graph::Graph(GraphSpec spec) : spec_(std::move(spec)) {
  for (const GraphInput& input : spec_.inputs) names_.emplace_back(input.name, names_.size());
  for (const GraphNode& node : spec_.nodes) add_node(node);
  for (const std::string& name : spec_.outputs) outputs_.push_back(value(name, "the outputs"));
  if (spec_.inputs.empty() || spec_.outputs.empty()) {
    refuse("it has no inputs or no outputs", "name at least one of each");
  }
  plan_releases();
}

std::size_t Graph::value(const std::string& name, const std::string& reader) const {
  const auto found = std::find_if(names_.begin(), names_.end(),
                                  [&](const auto& each) { return each.first == name; });
  if (found == names_.end()) {
    refuse(
        fmt::format("{} read \"{}\", which no input and no earlier node is called", reader, name),
        "order the nodes so that each stands behind those it reads; cycles cannot run");
  }
  return found->second;
}

int Graph::readers(const std::string& name) const {
  auto count = std::count(spec_.outputs.begin(), spec_.outputs.end(), name);
  for (const GraphNode& node : spec_.nodes) {
    count += std::count(node.inputs.begin(), node.inputs.end(), name);
  }
  return static_cast<int>(count);
}

// Whether the last step takes `node`'s activation into its pass.
bool Graph::fuses(const GraphNode& node) {
  const auto* activation = dynamic_cast<const ActivationLayer*>(layers_.back().get());
  if (activation == nullptr || steps_.empty() || readers(node.inputs[0]) != 1) return false;
  Step& last = steps_.back();
  auto* layer = dynamic_cast<FusingLayer*>(last.module);
  const bool is_free = layer != nullptr && last.activation == Activation::none;
  if (!is_free || last.output != value(node.inputs[0], node.name)) return false;
  if (!layer->fuses(activation->kind())) return false;
  last.fused = layer;
  last.activation = activation->kind();
  return true;
}

void Graph::add_node(const GraphNode& node) {
  const bool is_taken = std::any_of(names_.begin(), names_.end(),
                                    [&](const auto& each) { return each.first == node.name; });
  if (is_taken || node.name.empty()) {
    refuse(fmt::format("the name \"{}\" is taken or empty", node.name),
           "name every node differently");
  }
  Step step;
  for (const std::string& input : node.inputs) {
    step.inputs.push_back(value(input, "the inputs of \"" + node.name + "\""));
  }
  layers_.emplace_back();
  if (joins(node.layer) && node.shares.empty()) {
    AttributeReader read(node);
    step.join = node.layer.kind;
    if (step.join == "concat") step.axis = static_cast<int>(read.integer("axis", -1));
    read.finish();
  } else if (node.shares.empty()) {
    layers_.back() = make_layer(node);
    step.module = layers_.back().get();
  } else {
    for (std::size_t i = 0; i + 1 < layers_.size(); ++i) {
      if (spec_.nodes[i].name == node.shares) step.module = layers_[i].get();
    }
    if (step.module == nullptr) {
      refuse(fmt::format("\"{}\" shares the layer of \"{}\", which is no earlier layer", node.name,
                         node.shares),
             "name the first node that applies the layer");
    }
  }
  const bool is_right = step.join.empty() ? step.inputs.size() == 1 : !step.inputs.empty();
  if (!is_right) {
    refuse(fmt::format("node \"{}\" ({}) has {} inputs", node.name, node.layer.kind,
                       step.inputs.size()),
           "give add, multiply and concat one or more inputs, other layers one");
  }
  if (fuses(node)) {
    names_.emplace_back(node.name, steps_.back().output);
    return;
  }
  step.output = names_.size();
  names_.emplace_back(node.name, step.output);
  steps_.push_back(std::move(step));
}

void Graph::plan_releases() {
  for (std::size_t v = 0; v < names_.size(); ++v) {
    if (std::find(outputs_.begin(), outputs_.end(), v) != outputs_.end()) continue;
    const auto last = std::find_if(steps_.rbegin(), steps_.rend(), [&](const Step& step) {
      return std::find(step.inputs.begin(), step.inputs.end(), v) != step.inputs.end();
    });
    if (last != steps_.rend()) last->last_reads.push_back(v);
  }
}

Tensor Graph::result_of(const Step& step, std::vector<Tensor>& values) {
  const Tensor& first = values[step.inputs[0]];
  if (step.fused != nullptr) return step.fused->forward_fused(first, step.activation);
  if (step.module != nullptr) return step.module->forward(first);
  std::vector<Tensor> all;
  for (const std::size_t input : step.inputs) all.push_back(values[input]);
  if (step.join == "concat") return cat(all, step.axis);
  Tensor y = first;
  for (std::size_t i = 1; i < all.size(); ++i) y = step.join == "add" ? y + all[i] : y * all[i];
  return y;
}

void Graph::check_inputs(std::span<const Tensor> inputs) const {
  if (inputs.size() != spec_.inputs.size()) {
    refuse(fmt::format("{} inputs given, it has {}", inputs.size(), spec_.inputs.size()),
           "call run() with one tensor for each input of its spec");
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const GraphInput& input = spec_.inputs[i];
    check<ShapeError>(inputs[i].is_defined() && fits(inputs[i], input), [&] {
      return Complaint{
          fmt::format("Graph: input \"{}\" is {}, wanted is a batch of [{}]", input.name,
                      inputs[i].is_defined() ? to_string(inputs[i].shape()) : "undefined",
                      fmt::join(input.shape, ", ")),
          "give it the batch axis first and then these sizes (-1: any)"};
    });
  }
}

std::vector<Tensor> Graph::run(std::span<const Tensor> inputs) {
  check_inputs(inputs);
  std::vector<Tensor> values(inputs.begin(), inputs.end());
  values.resize(names_.size());
  for (const Step& step : steps_) {
    values[step.output] = result_of(step, values);
    for (const std::size_t last : step.last_reads) values[last] = {};
  }
  std::vector<Tensor> results;
  for (const std::size_t output : outputs_) results.push_back(values[output]);
  return results;
}

Tensor Graph::forward(const Tensor& x) {
  if (spec_.inputs.size() != 1 || spec_.outputs.size() != 1) {
    refuse(
        fmt::format("it has {} inputs and {} outputs", spec_.inputs.size(), spec_.outputs.size()),
        "call run() with all its inputs");
  }
  return run({&x, 1}).front();
}

void Graph::visit(Visitor& visitor) {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (layers_[i]) visitor.child(spec_.nodes[i].name, *layers_[i]);
  }
}

std::string Graph::append_to(GraphSpec& graph, const std::string& name,
                             const std::string& input) const {
  if (spec_.inputs.size() != 1 || spec_.outputs.size() != 1) {
    refuse("one of several inputs or outputs stands within another model", "store its own spec()");
  }
  const auto renamed = [&](const std::string& inner) {
    if (inner == spec_.inputs[0].name) return input;
    return name.empty() ? inner : name + "." + inner;
  };
  for (GraphNode node : spec_.nodes) {
    node.name = renamed(node.name);
    for (std::string& each : node.inputs) each = renamed(each);
    if (!node.shares.empty()) node.shares = renamed(node.shares);
    graph.nodes.push_back(std::move(node));
  }
  return renamed(spec_.outputs[0]);
}

GraphSpec spec_of(const Module& model, const std::vector<std::int64_t>& shape) {
  GraphSpec graph;
  graph.inputs = {{"input", shape}};
  graph.outputs = {model.append_to(graph, "", "input")};
  return graph;
}

}  // namespace lockstep::nn
