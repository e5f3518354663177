#include "lockstep/ops/apply.h"

namespace lockstep {
namespace {

// Between a parameter of f32 and an op whose gradient of the shadow is in half precision.
class Widening final : public autograd::Node {
 public:
  explicit Widening(const Tensor& shadow) {
    meta = shadow.meta();
    sequence = autograd::next_sequence();
    input_count = 1;
    autograd::Node* parameter = autograd::node_of(shadow);
    parameter->retain();
    inputs[0] = Shared<autograd::Node>::adopt(parameter);
  }
  void backward(const Tensor& g, Sinks& into) override { into.give(0, g); }
  const char* name() const override { return "shadow"; }
  void clear() noexcept override {}
};

}  // namespace

namespace detail {

void check_same_device(const char* op, const Tensor* const* tensors, int count) {
  const Tensor* first = nullptr;
  for (int i = 0; i < count; ++i) {
    const Tensor& x = *tensors[i];
    if (!x.is_defined()) continue;
    if (first == nullptr) first = &x;
    check<DeviceError>(x.device() == first->device(), [&] {
      return Complaint{std::string(op) + ": tensors on " + name_of(first->device()) + " and " +
                           name_of(x.device()),
                       "move all arguments to one device"};
    });
  }
  check<UsageError>(first != nullptr, [&] {
    return Complaint{std::string(op) + ": the tensor is undefined",
                     "create it first; a default-constructed tensor has no elements"};
  });
}

bool any_on_tape(const Tensor* const* tensors, int count) {
  for (int i = 0; i < count; ++i) {
    if (tensors[i]->requires_grad()) return true;
  }
  return false;
}

void record(const Tensor& output, Shared<autograd::Node> node, const Tensor* const* tensors,
            int count, bool writes_f32_gradients) {
  if (!is_floating(output.dtype())) return;
  node->meta = output.meta();
  node->sequence = autograd::next_sequence();
  node->input_count = static_cast<std::int8_t>(count);
  for (int i = 0; i < count; ++i) {
    autograd::Node* input = autograd::node_of(*tensors[i]);
    if (input == nullptr) continue;
    const bool is_shadow = input->meta.dtype != tensors[i]->dtype();
    if (is_shadow && !writes_f32_gradients) {
      input = new Widening(*tensors[i]);
    } else {
      input->retain();
    }
    node->inputs[static_cast<std::size_t>(i)] = Shared<autograd::Node>::adopt(input);
  }
  output.set_tape(std::move(node));
}

}  // namespace detail

void check_in_place(const char* op, const Tensor& x) {
  check<UsageError>(!is_grad_enabled() || !x.requires_grad(), [&] {
    return Complaint{std::string(op) + ": in place on a tensor that needs a gradient",
                     "use the form without the underscore, or wrap the call in NoGrad"};
  });
}

}  // namespace lockstep
