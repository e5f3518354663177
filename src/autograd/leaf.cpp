#include "src/autograd/leaf.h"

#include <atomic>

#include "lockstep/autograd/hooks.h"
#include "lockstep/autograd/parameter.h"
#include "lockstep/base/error.h"
#include "lockstep/kernels/registry.h"
#include "lockstep/tensor/create.h"

namespace lockstep {
namespace autograd {

Leaf::Leaf(const Meta& of) {
  static std::atomic<std::uint64_t> keys{0};
  meta = of;
  packing_key = ++keys;
}

Sink Leaf::sink() {
  if (!place) place = empty(meta);
  if (auto* const recorder = kernels::recorder()) require_same_place(*recorder);
  place.mark_mutated();
  const bool is_first = !has_gradient;
  has_gradient = true;
  return {place.view(), is_first ? kernels::Write::store : kernels::Write::add};
}

void Leaf::accept(const Tensor& contribution) {
  const Sink into = sink();
  kernels::backend(place.device())
      .copy({.write = into.write, .in = contribution.view(), .out = into.out},
            core::current_stream(place.device()));
}

// What the recorded calls write to, and whether the first of them adds.
void Leaf::require_same_place(kernels::Recorder& recorder) {
  retain();
  recorder.require(this, [leaf = Shared<Leaf>::adopt(this), had_gradient = has_gradient,
                          storage = place.storage().get()] {
    return leaf->has_gradient == had_gradient && leaf->place &&
           leaf->place.storage().get() == storage;
  });
}

void Leaf::finish() {
  if (auto* const recorder = kernels::recorder()) {
    retain();
    recorder->repeat([leaf = Shared<Leaf>::adopt(this), arrived = has_gradient] {
      leaf->has_gradient = arrived;
      leaf->run_hooks();
    });
  }
  const kernels::Unrecorded hooks_are_repeated;
  run_hooks();
}

void Leaf::run_hooks() {
  std::erase_if(hooks, [](const auto& hook) { return hook.expired(); });
  for (const auto& hook : hooks) {
    if (const auto alive = hook.lock()) (*alive)();
  }
}

Leaf& leaf_of(const char* op, const Tensor& x) {
  Node* node = node_of(x);
  check<UsageError>(node != nullptr && node->is_leaf(), [&] {
    return Complaint{std::string(op) + ": the tensor is not a leaf of the tape",
                     "call require_grad on it, before any operation"};
  });
  return static_cast<Leaf&>(*node);
}

}  // namespace autograd

using autograd::leaf_of;

const Tensor& require_grad(const Tensor& x, bool wanted) {
  check<UsageError>(!x.requires_grad() || is_leaf(x), [] {
    return Complaint{"require_grad: the tensor is the result of a recorded operation",
                     "detach it first"};
  });
  check<DTypeError>(!wanted || is_floating(x.dtype()), [&] {
    return Complaint{"require_grad: a tensor of " + std::string(name_of(x.dtype())),
                     "only floating-point tensors have gradients; cast it first"};
  });
  if (!wanted) {
    x.set_tape({});
  } else if (!x.requires_grad()) {
    x.set_tape(make_shared_object<autograd::Leaf>(x.meta()));
  }
  return x;
}

Tensor& require_grad(Tensor& x, bool wanted) {
  require_grad(static_cast<const Tensor&>(x), wanted);
  return x;
}

bool is_leaf(const Tensor& x) {
  const autograd::Node* node = autograd::node_of(x);
  return node != nullptr && node->is_leaf();
}

Tensor gradient(const Tensor& leaf) { return leaf_of("gradient", leaf).place; }

void place_gradient(const Tensor& leaf, Tensor place) {
  check<ShapeError>(place.shape() == leaf.shape() && place.dtype() == leaf.dtype(), [&] {
    return Complaint{"place_gradient: " + to_string(place.shape()) + " for a leaf of shape " +
                         to_string(leaf.shape()),
                     "give a place with the leaf's shape and dtype"};
  });
  auto& entry = leaf_of("place_gradient", leaf);
  entry.place = std::move(place);
  entry.meta.device = entry.place.device();
}

bool has_gradient(const Tensor& leaf) { return leaf_of("has_gradient", leaf).has_gradient; }

void consume_gradient(const Tensor& leaf) {
  leaf_of("consume_gradient", leaf).has_gradient = false;
}

std::uint64_t packing_key(const Tensor& x) {
  return is_leaf(x) ? leaf_of("packing_key", x).packing_key : 0;
}

HookHandle on_gradient_final(const Tensor& leaf, std::function<void()> hook) {
  auto registration = std::make_shared<autograd::Leaf::Hook>(std::move(hook));
  leaf_of("on_gradient_final", leaf).hooks.push_back(registration);
  return HookHandle(std::move(registration));
}

}  // namespace lockstep
