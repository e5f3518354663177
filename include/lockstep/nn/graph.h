// A model built from its description: any acyclic graph of layers, trained and saved like any
// module.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lockstep/nn/activation.h"
#include "lockstep/nn/module.h"
#include "lockstep/tensor/graph_spec.h"

namespace lockstep::nn {

// Its children are the nodes that hold tensors of their own, by the nodes' names. As in Sequential,
// an activation runs within the pass of the layer before it, where nothing else reads that layer.
class Graph : public Module {
 public:
  // The layers begin with the first values of their modules. UsageError names the node whose kind,
  // inputs or attributes are wrong.
  explicit Graph(GraphSpec spec);

  const GraphSpec& spec() const { return spec_; }
  // UsageError unless the graph has one input and one output.
  Tensor forward(const Tensor& x) override;
  // The outputs for the inputs, both in the order of the spec. ShapeError for an input of other
  // sizes.
  std::vector<Tensor> run(std::span<const Tensor> inputs);
  void visit(Visitor& visitor) override;
  std::string append_to(GraphSpec& graph, const std::string& name,
                        const std::string& input) const override;

 private:
  // Values are numbered: the inputs, then the nodes' results.
  struct Step {
    Module* module = nullptr;      // of one input
    std::string join = {};         // or the kind of a layer of several
    int axis = -1;                 // along which "concat" joins
    FusingLayer* fused = nullptr;  // the module, where an activation runs within it
    Activation activation = Activation::none;
    std::vector<std::size_t> inputs = {};
    std::size_t output = 0;
    std::vector<std::size_t> last_reads = {};  // values that nobody reads after this step
  };
  void add_node(const GraphNode& node);
  bool fuses(const GraphNode& node);
  void plan_releases();
  std::size_t value(const std::string& name, const std::string& reader) const;
  int readers(const std::string& name) const;
  static Tensor result_of(const Step& step, std::vector<Tensor>& values);
  void check_inputs(std::span<const Tensor> inputs) const;

  GraphSpec spec_;
  std::vector<std::pair<std::string, std::size_t>> names_;  // of values
  std::vector<std::unique_ptr<Module>> layers_;             // by node; null where it has none
  std::vector<Step> steps_;
  std::vector<std::size_t> outputs_;
};

// The structure of a model that takes one tensor of `shape` (without the batch axis), as
// nn::Graph(spec) rebuilds it. The names of its tensors are those of the model.
GraphSpec spec_of(const Module& model, const std::vector<std::int64_t>& shape);

}  // namespace lockstep::nn
