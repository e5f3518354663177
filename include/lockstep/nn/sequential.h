// Modules in a row.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "lockstep/nn/activation.h"
#include "lockstep/ops/views.h"

namespace lockstep::nn {

// Merges the axes from `first` on: [n, h, w, c] -> [n, h * w * c].
class Flatten : public Module {
 public:
  explicit Flatten(int first = 1) : first_(first) {}
  Tensor forward(const Tensor& x) override { return flatten(x, first_); }
  LayerSpec layer() const override { return {"flatten", {{"first", std::int64_t{first_}}}}; }

 private:
  int first_;
};

// Other sizes behind the batch axis, in row-major order; one may be -1.
class Reshape : public Module {
 public:
  // UsageError for more axes than a tensor can have.
  explicit Reshape(std::vector<std::int64_t> shape);
  Tensor forward(const Tensor& x) override;
  LayerSpec layer() const override { return {"reshape", {{"shape", shape_}}}; }

 private:
  std::vector<std::int64_t> shape_;
};

// Owns its modules, which are moved in; their names are "0", "1", ... An activation behind a
// FusingLayer that takes it runs as one op with it; names, state and results stay those of the two.
class Sequential : public Module {
 public:
  template <class... M>
  requires(std::derived_from<std::decay_t<M>, Module>&&...) explicit Sequential(M&&... modules) {
    (append(std::forward<M>(modules)), ...);
  }

  template <class M>
  requires std::derived_from<std::decay_t<M>, Module>
  void append(M&& module) { add(std::make_unique<std::decay_t<M>>(std::forward<M>(module))); }
  int size() const { return static_cast<int>(modules_.size()); }
  // UsageError when there is no such module.
  Module& operator[](int index);

  Tensor forward(const Tensor& x) override;
  void visit(Visitor& visitor) override;
  std::string append_to(GraphSpec& graph, const std::string& name,
                        const std::string& input) const override;

 private:
  // What forward calls: a module, or a layer together with the activation behind it.
  struct Pass {
    Module* module;
    FusingLayer* fused = nullptr;
    Activation activation = Activation::none;
  };
  void add(std::unique_ptr<Module> module);

  std::vector<std::unique_ptr<Module>> modules_;
  std::vector<Pass> passes_;
};

}  // namespace lockstep::nn
