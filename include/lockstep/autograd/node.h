// The tape: one node for each recorded operation, and where its backward writes gradients.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>

#include "lockstep/kernels/calls.h"
#include "lockstep/tensor/tensor.h"

namespace lockstep::autograd {

inline constexpr int max_inputs = 6;

// Where a gradient goes: out (=|+=), or nowhere.
struct Sink {
  View out;
  kernels::Write write = kernels::Write::store;
};

class Node;

// The gradients of an operation's inputs during its backward.
class Sinks {
 public:
  explicit Sinks(Node& node) : node_(node) {}

  bool wanted(int input) const;
  // Memory for the gradient of a wanted input; everything must be written, once.
  Sink operator[](int input);
  // Hands over a finished gradient without a copy where possible. Any strides.
  void give(int input, const Tensor& gradient);

 private:
  Node& node_;
};

// A recorded operation, or a leaf. Also the slot of its output's gradient while backward runs.
class Node : public TapeEntry {
 public:
  // Computes the inputs' gradients from the output's.
  virtual void backward(const Tensor& gradient, Sinks& inputs) = 0;
  virtual const char* name() const = 0;
  virtual bool is_leaf() const { return false; }
  // Drops what was saved for backward.
  virtual void clear() noexcept = 0;

  // A slot for a contribution to this node's output's gradient.
  virtual Sink sink();
  virtual void accept(const Tensor& gradient);
  // All contributions have arrived.
  virtual void finish() {}

  Meta meta;  // of the output
  std::array<Shared<Node>, max_inputs> inputs;
  std::int8_t input_count = 0;
  bool is_released = false;

  // Used by one backward at a time.
  Tensor gradient;
  bool is_borrowed = false;  // `gradient` may share memory with others: copy before adding
  std::int32_t pending = 0;
  std::uint64_t visit = 0;
  std::uint64_t sequence = 0;

 protected:
  void dispose() noexcept override;  // without recursion: tapes may be very long

 private:
  Node* next_disposed_ = nullptr;
};

// The node of a tensor that is on the tape, or null.
Node* node_of(const Tensor& x);
// A number that grows with every node of this thread.
std::uint64_t next_sequence();

// A saved tensor: keeps the elements alive, but not the tape, and notices when they were mutated.
class SavedTensor {
 public:
  SavedTensor() = default;
  SavedTensor(const Tensor& x);  // NOLINT: a list of tensors converts

  bool is_defined() const { return elements_.is_defined(); }
  const Tensor& tensor() const { return elements_; }
  operator View() const { return elements_.is_defined() ? elements_.view() : View{}; }
  void verify(const char* op) const;  // UsageError when mutated since

 private:
  Tensor elements_;
  std::uint64_t version_ = 0;
};

// What an operation keeps for its backward.
class Saved {
 public:
  Saved() = default;
  Saved(std::initializer_list<SavedTensor> tensors);

  const SavedTensor& operator[](int i) const { return tensors_[static_cast<std::size_t>(i)]; }
  void verify(const char* op) const;
  void clear() noexcept;

 private:
  std::array<SavedTensor, 5> tensors_;
  int count_ = 0;
};

}  // namespace lockstep::autograd
