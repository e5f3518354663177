#include "lockstep/autograd/node.h"

#include "lockstep/base/error.h"
#include "lockstep/kernels/registry.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"

namespace lockstep::autograd {

bool Sinks::wanted(int input) const {
  return static_cast<bool>(node_.inputs[static_cast<std::size_t>(input)]);
}

Sink Sinks::operator[](int input) { return node_.inputs[static_cast<std::size_t>(input)]->sink(); }

void Sinks::give(int input, const Tensor& gradient) {
  if (wanted(input)) node_.inputs[static_cast<std::size_t>(input)]->accept(gradient);
}

Sink Node::sink() {
  if (!gradient) {
    gradient = empty(meta);
    is_borrowed = false;
    return {gradient.view(), kernels::Write::store};
  }
  if (is_borrowed) {
    gradient = copied(gradient);
    is_borrowed = false;
  }
  return {gradient.view(), kernels::Write::add};
}

void Node::accept(const Tensor& contribution) {
  if (!gradient) {
    gradient = contribution;
    is_borrowed = true;
    return;
  }
  const Sink into = sink();
  kernels::backend(meta.device)
      .copy({.write = into.write, .in = contribution.view(), .out = into.out},
            core::current_stream(meta.device));
}

void Node::dispose() noexcept {
  // Deleting a node drops its inputs, whose dispose() then only queues them here.
  thread_local Node* queue = nullptr;
  thread_local bool is_draining = false;
  next_disposed_ = queue;
  queue = this;
  if (is_draining) return;
  is_draining = true;
  while (queue != nullptr) {
    Node* node = queue;
    queue = node->next_disposed_;
    delete node;
  }
  is_draining = false;
}

Node* node_of(const Tensor& x) {
  return x.is_defined() ? static_cast<Node*>(x.tape().get()) : nullptr;
}

std::uint64_t next_sequence() {
  thread_local std::uint64_t sequence = 0;
  return ++sequence;
}

SavedTensor::SavedTensor(const Tensor& x) {
  if (!x.is_defined()) return;
  elements_ = x.detach();
  version_ = x.storage()->version();
}

void SavedTensor::verify(const char* op) const {
  check<UsageError>(!is_defined() || elements_.storage()->version() == version_, [&] {
    return Complaint{std::string("backward of ") + op + ": a tensor of shape " +
                         to_string(elements_.shape()) + " that it saved was changed since",
                     "call backward before changing tensors in place or stepping the optimizer"};
  });
}

Saved::Saved(std::initializer_list<SavedTensor> tensors)
    : count_(static_cast<int>(tensors.size())) {
  std::size_t i = 0;
  for (const SavedTensor& each : tensors) tensors_[i++] = each;
}

void Saved::verify(const char* op) const {
  for (int i = 0; i < count_; ++i) (*this)[i].verify(op);
}

void Saved::clear() noexcept { *this = Saved(); }

}  // namespace lockstep::autograd
