// Applies activations to the result of GEMM and convolution, and their slopes to gradients.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/host.h"
#include "kernels/math/activation.h"
#include "lockstep/kernels/calls.h"

namespace lockstep::kernels::cpu {

using math::with_activation;

template <class T> void activate(Activation activation, T* data, std::int64_t count) {
  with_activation(activation, [&]<class Op>(Op) {
    for (std::int64_t i = 0; i < count; ++i) data[i] = Op::value(data[i], math::Scalars{});
  });
}

// The slope of Activation::none, which looks at nothing.
struct Unchanged {};

// Calls f with the struct whose slope the gradient takes.
template <class F> void with_slope(Activation activation, const F& f) {
  if (activation == Activation::none) return f(Unchanged{});
  with_activation(activation, f);
}

// to[i] = g[i] * slope(y[at + i]).
template <class Op, class T>
inline void copy_through(const T* g, const T* y, std::int64_t at, T* to, std::int64_t count) {
  if constexpr (std::is_same_v<Op, Unchanged>) {
    std::copy_n(g, count, to);
  } else {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < count; ++i) {
      to[i] = g[i] * Op::slope(T(0), y[at + i], math::Scalars{});
    }
  }
}

}  // namespace lockstep::kernels::cpu
