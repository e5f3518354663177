// The one door through which every operation runs: checks, output, kernel, tape.
#pragma once

#include <string>
#include <type_traits>
#include <utility>

#include "lockstep/autograd/grad_mode.h"
#include "lockstep/autograd/node.h"
#include "lockstep/base/error.h"
#include "lockstep/kernels/registry.h"
#include "lockstep/tensor/create.h"

namespace lockstep {

using autograd::Saved;
using autograd::Sink;
using autograd::Sinks;

// An op is a small value with
//   static constexpr const char* name;
//   Meta output(const Tensor& in...) const;                         checks; the result's shape,
//   dtype and device Saved forward(Backend&, Stream&, const Tensor& in..., const Tensor& out)
//   const; void backward(Backend&, Stream&, const Saved&, const Tensor& g, Sinks&) const;
// and, where backward can write f32 gradients beside inputs of half precision (those of a
// parameter's shadow),
//   static constexpr bool writes_f32_gradients = true;
// or, for a view, `Tensor view(const Tensor& in) const` in place of output and forward. Undefined
// inputs (an absent bias) are passed through and never wanted.

namespace detail {

template <class Op> class OpNode final : public autograd::Node {
 public:
  OpNode(const Op& op, Saved saved) : op_(op), saved_(std::move(saved)) {}

  void backward(const Tensor& g, Sinks& into) override {
    saved_.verify(Op::name);
    op_.backward(kernels::backend(g.device()), core::current_stream(g.device()), saved_, g, into);
  }
  const char* name() const override { return Op::name; }
  void clear() noexcept override { saved_.clear(); }

 private:
  Op op_;
  Saved saved_;
};

void check_same_device(const char* op, const Tensor* const* tensors, int count);
bool any_on_tape(const Tensor* const* tensors, int count);
template <class Op> inline constexpr bool writes_f32_gradients = requires {
  Op::writes_f32_gradients;
};
void record(const Tensor& output, Shared<autograd::Node> node, const Tensor* const* tensors,
            int count, bool writes_f32_gradients);

}  // namespace detail

template <class Op, class... In> Tensor apply(const Op& op, const In&... in) {
  static_assert((std::is_same_v<In, Tensor> && ...) && sizeof...(In) <= autograd::max_inputs);
  const Tensor* const inputs[] = {&in...};
  constexpr int count = sizeof...(In);
  detail::check_same_device(Op::name, inputs, count);
  Tensor out;
  Saved saved;
  if constexpr (requires { op.view(in...); }) {
    out = op.view(in...);
  } else {
    const Meta meta = op.output(in...);
    out = empty(meta);
    saved =
        op.forward(kernels::backend(meta.device), core::current_stream(meta.device), in..., out);
  }
  if (is_grad_enabled() && detail::any_on_tape(inputs, count)) {
    detail::record(out, Shared<autograd::Node>::adopt(new detail::OpNode<Op>(op, std::move(saved))),
                   inputs, count, detail::writes_f32_gradients<Op>);
  }
  return out;
}

// UsageError when `x` needs a gradient and recording is on: what every in-place op asks first.
void check_in_place(const char* op, const Tensor& x);

}  // namespace lockstep
