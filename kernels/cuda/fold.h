// Folds of partial results by a stack program: a thread for each element.
#pragma once

#include <algorithm>

#include "kernels/cuda/walk.h"
#include "kernels/host.h"
#include "kernels/math/element.h"
#include "kernels/math/team.h"
#include "lockstep/kernels/calls.h"

namespace lockstep::kernels::cuda {

// What a kernel's argument holds; all are 4 KiB at most on every GPU.
inline constexpr int most_fold_inputs = 256, most_fold_copies = 64;
inline constexpr int tallest_fold = 32;  // what waits on the stack, of a tree over an int of shards

struct FoldArguments {
  const void* in[most_fold_inputs];
  void* copies[most_fold_copies];
  void* out;
  std::uint32_t joins[(2 * most_fold_inputs + 31) / 32];  // a bit for each step: is it a join?
  int steps, copy_count;
  double scale;
};
static_assert(sizeof(FoldArguments) < 4000);

template <FoldOp op, class T> LS_HD T fold_joined(T x, T y) {
  using A = math::Real<T>;
  const A a = math::converted<A>(x), b = math::converted<A>(y);
  if constexpr (std::is_same_v<T, bool>) {
    return op == FoldOp::sum || op == FoldOp::max ? (a || b) : (a && b);
  } else if constexpr (op == FoldOp::sum) {
    return math::converted<T>(static_cast<A>(a + b));
  } else if constexpr (op == FoldOp::product) {
    return math::converted<T>(static_cast<A>(a * b));
  } else if constexpr (op == FoldOp::max) {
    return math::converted<T>(math::larger(a, b));
  } else {
    return math::converted<T>(math::smaller(a, b));
  }
}

template <class T> LS_HD T fold_scaled(T value, double by) {
  if constexpr (std::is_same_v<T, bool>) {
    return value;
  } else {
    using A = std::conditional_t<std::is_same_v<math::Real<T>, float>, float, double>;
    return math::converted<T>(static_cast<A>(math::converted<A>(value) * static_cast<A>(by)));
  }
}

template <FoldOp op, class T> struct FoldElement {
  FoldArguments a;
  std::int64_t first;

  LS_HD void operator()(std::uint32_t i) const {
    const std::int64_t at = first + i;
    T stack[tallest_fold + 1];
    int depth = 0, pushed = 0;
    for (int step = 0; step < a.steps; ++step) {
      const bool is_join = (a.joins[step / 32] >> (step % 32) & 1U) != 0;
      if (is_join) {
        --depth;
        stack[depth - 1] = fold_joined<op>(stack[depth - 1], stack[depth]);
      } else {
        stack[depth++] = static_cast<const T*>(a.in[pushed++])[at];
      }
    }
    const T result = a.scale == 1 ? stack[0] : fold_scaled(stack[0], a.scale);
    static_cast<T*>(a.out)[at] = result;
    for (int k = 0; k < a.copy_count; ++k) static_cast<T*>(a.copies[k])[at] = result;
  }
};

inline FoldArguments fold_arguments(const FoldCall& call) {
  FoldArguments a{};
  std::copy_n(call.in, call.inputs, a.in);
  std::copy_n(call.copies, call.copy_count, a.copies);
  for (int step = 0; step < call.steps; ++step) {
    const bool is_join = call.program[step] != core::FoldStep::push;
    a.joins[step / 32] |= (is_join ? 1U : 0U) << (step % 32);
  }
  a.out = call.out;
  a.steps = call.steps;
  a.copy_count = call.copy_count;
  a.scale = call.scale;
  return a;
}

template <FoldOp op, class On> void fold_elements(const On& on, const FoldCall& call) {
  const FoldArguments a = fold_arguments(call);
  with_type(call.dtype, [&]<class T>(T) {
    for (std::int64_t first = 0; first < call.count; first += most_elements) {
      const std::int64_t n = std::min(most_elements, call.count - first);
      on.for_steps(static_cast<std::uint32_t>(n), FoldElement<op, T>{a, first});
      on.launched("fold", "");
    }
  });
}

template <class On> void fold_on(const On& on, const FoldCall& call) {
  if (call.inputs > most_fold_inputs || call.copy_count > most_fold_copies) {
    fail("fold: more than 256 inputs or 64 copies at once", "use fewer shards");
  }
  switch (call.op) {
    case FoldOp::sum:
      return fold_elements<FoldOp::sum>(on, call);
    case FoldOp::product:
      return fold_elements<FoldOp::product>(on, call);
    case FoldOp::min:
      return fold_elements<FoldOp::min>(on, call);
    case FoldOp::max:
      return fold_elements<FoldOp::max>(on, call);
  }
}

}  // namespace lockstep::kernels::cuda
