// The tape's end at a tensor that a gradient is wanted for.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "lockstep/autograd/node.h"

namespace lockstep::autograd {

class Leaf final : public Node {
 public:
  using Hook = std::function<void()>;

  explicit Leaf(const Meta& of);

  void backward(const Tensor&, Sinks&) override {}
  const char* name() const override { return "leaf"; }
  bool is_leaf() const override { return true; }
  void clear() noexcept override {}
  Sink sink() override;
  void accept(const Tensor& contribution) override;
  void finish() override;
  void run_hooks();
  void require_same_place(kernels::Recorder& recorder);

  Tensor place;               // of the gradient; undefined until needed
  bool has_gradient = false;  // since it was last consumed
  std::uint64_t packing_key = 0;
  std::vector<std::weak_ptr<Hook>> hooks;
};

// UsageError unless `x` is a leaf.
Leaf& leaf_of(const char* op, const Tensor& x);

}  // namespace lockstep::autograd
