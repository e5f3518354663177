#include "lockstep/autograd/backward.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "lockstep/autograd/grad_mode.h"
#include "lockstep/autograd/node.h"
#include "lockstep/base/error.h"
#include "lockstep/tensor/create.h"

namespace lockstep {
namespace {

using autograd::Node;

void check_unused(const Node& node) {
  check<UsageError>(!node.is_released, [&] {
    return Complaint{std::string("backward: the graph at ") + node.name() +
                         " was already used by an earlier backward",
                     "compute the loss again, or add the losses and call backward once"};
  });
}

// Counts, for every node below `root`, the contributions that its gradient waits for.
void count_contributions(Node& root) {
  static std::atomic<std::uint64_t> visits{0};
  const std::uint64_t visit = ++visits;
  std::vector<Node*> stack{&root};
  const auto enter = [&](Node& node) {
    if (node.visit == visit) return false;
    check_unused(node);
    node.visit = visit;
    node.pending = 0;
    node.gradient = Tensor();
    return true;
  };
  enter(root);
  while (!stack.empty()) {
    Node* node = stack.back();
    stack.pop_back();
    for (int i = 0; i < node->input_count; ++i) {
      Node* input = node->inputs[static_cast<std::size_t>(i)].get();
      if (input == nullptr) continue;
      if (enter(*input)) stack.push_back(input);
      ++input->pending;
    }
  }
}

// Later operations first: the reverse of the order in which they were recorded.
bool comes_later(const Shared<Node>& a, const Shared<Node>& b) { return a->sequence < b->sequence; }

class Pass {
 public:
  void run(Shared<Node> root) {
    push(std::move(root));
    while (!ready_.empty()) {
      std::pop_heap(ready_.begin(), ready_.end(), comes_later);
      const Shared<Node> node = std::move(ready_.back());
      ready_.pop_back();
      visit(*node);
    }
  }

 private:
  void push(Shared<Node> node) {
    if (node->is_leaf()) {
      node->finish();
      return;
    }
    ready_.push_back(std::move(node));
    std::push_heap(ready_.begin(), ready_.end(), comes_later);
  }

  void visit(Node& node) {
    const Tensor gradient = std::move(node.gradient);
    node.gradient = Tensor();
    node.is_released = true;
    if (gradient) {
      autograd::Sinks sinks(node);
      node.backward(gradient, sinks);
    }
    node.clear();
    for (auto& input : node.inputs) {
      if (input && --input->pending == 0) push(std::move(input));
      input = {};
    }
  }

  std::vector<Shared<Node>> ready_;
};

}  // namespace

void backward(const Tensor& root, const Tensor& seed) {
  Node* node = autograd::node_of(root);
  check<UsageError>(node != nullptr, [] {
    return Complaint{"backward: the tensor does not depend on any leaf that needs a gradient",
                     "call require_grad on the parameters, and compute outside NoGrad"};
  });
  check<ShapeError>(seed.shape() == root.shape(), [&] {
    return Complaint{"backward: seed of shape " + to_string(seed.shape()) +
                         " for a tensor of shape " + to_string(root.shape()),
                     "give a seed of the tensor's shape"};
  });
  check<DTypeError>(seed.dtype() == root.dtype(), [&] {
    return Complaint{"backward: seed of " + std::string(name_of(seed.dtype())) +
                         " for a tensor of " + std::string(name_of(root.dtype())),
                     "cast the seed to the tensor's dtype"};
  });
  const NoGrad no_grad;
  count_contributions(*node);
  node->accept(seed);
  node->retain();
  Pass().run(Shared<Node>::adopt(node));
}

void backward(const Tensor& root) {
  check<ShapeError>(root.is_defined() && root.elements() == 1, [&] {
    return Complaint{"backward: the tensor of shape " +
                         (root.is_defined() ? to_string(root.shape()) : "(undefined)") +
                         " is not a scalar",
                     "reduce it to one number, or give a seed of its shape"};
  });
  backward(root, ones(root.shape(), {.dtype = root.dtype(), .device = root.device()}));
}

}  // namespace lockstep
