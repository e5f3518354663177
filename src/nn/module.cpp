#include "lockstep/nn/module.h"

#include <fmt/format.h>

#include <algorithm>
#include <typeinfo>

#include "lockstep/autograd/parameter.h"
#include "lockstep/autograd/shadow.h"
#include "lockstep/base/error.h"
#include "lockstep/tensor/views.h"

namespace lockstep::nn {

namespace {

// Collects what a module and its children hold, with dotted names.
class Collector final : public Visitor {
 public:
  Collector(bool parameters, bool buffers) : parameters_(parameters), buffers_(buffers) {}

  void parameter(std::string_view name, const Tensor& tensor) override {
    if (parameters_) collect(name, tensor);
  }
  void buffer(std::string_view name, const Tensor& tensor) override {
    if (buffers_) collect(name, tensor);
  }
  void child(std::string_view name, Module& module) override {
    const std::size_t length = prefix_.size();
    prefix_.append(name).push_back('.');
    module.visit(*this);
    prefix_.resize(length);
  }
  State take() { return std::move(found_); }

 private:
  void collect(std::string_view name, const Tensor& tensor) {
    const bool is_known = std::any_of(found_.begin(), found_.end(), [&](const auto& other) {
      return other.second.is_same(tensor);
    });
    if (!is_known) found_.emplace_back(prefix_ + std::string(name), tensor);
  }

  bool parameters_;
  bool buffers_;
  std::string prefix_;
  State found_;
};

State collected(Module& module, bool parameters, bool buffers) {
  Collector collector(parameters, buffers);
  module.visit(collector);
  return collector.take();
}

class ModeSetter final : public Visitor {
 public:
  explicit ModeSetter(bool is_training) : is_training_(is_training) {}
  void parameter(std::string_view, const Tensor&) override {}
  void buffer(std::string_view, const Tensor&) override {}
  void child(std::string_view, Module& module) override { module.train(is_training_); }

 private:
  bool is_training_;
};

}  // namespace

LayerSpec Module::layer() const {
  throw UsageError({fmt::format("GraphSpec: a module of type {} does not say which layer it is",
                                typeid(*this).name()),
                    "override layer(), or append_to() where it holds other modules"});
}

std::string Module::append_to(GraphSpec& graph, const std::string& name,
                              const std::string& input) const {
  graph.nodes.push_back({name, {input}, layer()});
  return name;
}

State Module::parameters() { return collected(*this, true, false); }

State Module::buffers() { return collected(*this, false, true); }

State Module::state() { return collected(*this, true, true); }

void Module::load_state(const State& from) { lockstep::load_state(state(), from); }

void Module::train(bool is_training) {
  is_training_ = is_training;
  ModeSetter setter(is_training);
  visit(setter);
}

void Module::to(Device device) {
  for (const auto& [name, tensor] : state()) {
    if (tensor.device() == device) continue;
    const bool is_learned = tensor.requires_grad();
    if (is_learned) require_grad(tensor, false);
    tensor.storage()->relocate(copied_to(tensor, device).storage()->memory(), 0);
    if (is_learned) require_grad(tensor);
    if (tensor.shadow()) keep_shadow(tensor, tensor.shadow()->dtype);
  }
}

// Biases and what normalises stay as they are: they are few, and sums are f32 anyway.
void Module::compute_in(DType dtype) {
  for (const auto& [name, parameter] : parameters()) {
    if (parameter.rank() < 2) continue;
    check<DTypeError>(parameter.dtype() == DType::f32, [&, &name = name, &parameter = parameter] {
      return Complaint{
          fmt::format("compute_in: parameter {} is {}", name, name_of(parameter.dtype())),
          "make the model with parameters of f32"};
    });
    keep_shadow(parameter, dtype);
  }
}

void Module::freeze(bool is_frozen) {
  for (const auto& [name, tensor] : parameters()) require_grad(tensor, !is_frozen);
}

}  // namespace lockstep::nn
