// What every layer and model is: a function of a tensor with named parameters, buffers and
// children.
#pragma once

#include <string>
#include <string_view>

#include "lockstep/core/device.h"
#include "lockstep/tensor/graph_spec.h"
#include "lockstep/tensor/state.h"
#include "lockstep/tensor/tensor.h"

namespace lockstep::nn {

class Module;

// Is told what a module holds, in an order that never changes.
class Visitor {
 public:
  virtual ~Visitor() = default;
  // Learned. A frozen parameter is one without a tape.
  virtual void parameter(std::string_view name, const Tensor& tensor) = 0;
  // Kept and saved, but not learned: running statistics.
  virtual void buffer(std::string_view name, const Tensor& tensor) = 0;
  virtual void child(std::string_view name, Module& module) = 0;
};

// Move-only. A model of your own overrides forward, and visit if it holds anything:
//   void visit(nn::Visitor& visitor) override { visitor.child("encoder", encoder_); }
class Module {
 public:
  Module() = default;
  Module(Module&&) noexcept = default;
  Module& operator=(Module&&) noexcept = default;
  virtual ~Module() = default;

  virtual Tensor forward(const Tensor& x) = 0;
  Tensor operator()(const Tensor& x) { return forward(x); }
  virtual void visit(Visitor&) {}

  // The layer as a node of a graph. UsageError unless the module overrides it.
  virtual LayerSpec layer() const;
  // Adds the nodes that compute forward(input) to `graph`, under names that begin with `name`, and
  // returns the name of the result. A model of your own overrides it to be stored with its
  // structure; a layer overrides layer() alone.
  virtual std::string append_to(GraphSpec& graph, const std::string& name,
                                const std::string& input) const;

  // By dotted path ("encoder.0.weight"), in visiting order; a tensor that two modules share is
  // named once.
  State parameters();
  State buffers();
  // Parameters and buffers: what a checkpoint keeps.
  State state();
  // Copies values by name. UsageError names the first missing, extra or misshapen one and copies
  // nothing then.
  void load_state(const State& from);

  // Whether dropout drops and normalisation learns its statistics; holds for all children.
  void train(bool is_training = true);
  void eval() { train(false); }
  bool is_training() const { return is_training_; }

  // Moves all tensors in place: handles stay valid, gradients are forgotten. Comes before an
  // optimizer.
  void to(Device device);
  // Mixed precision: from now on layers compute in bf16 or f16 (f32: no longer), from shadows of
  // the parameters with two axes and more. The parameters, their gradients and what checkpoints
  // keep stay f32. Comes before an optimizer, which scales losses where layers compute in f16.
  // DTypeError unless those parameters are f32.
  void compute_in(DType dtype);
  // Takes the parameters off the tape (or, with false, puts them on again): optimizers then leave
  // them alone.
  void freeze(bool is_frozen = true);

 private:
  bool is_training_ = true;
};

}  // namespace lockstep::nn
