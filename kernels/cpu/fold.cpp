#include <algorithm>
#include <cstring>
#include <type_traits>

#include "kernels/cpu/convert.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/host.h"
#include "kernels/math/team.h"
#include "lockstep/core/parallel_for.h"

namespace lockstep::kernels::cpu {
namespace {

constexpr std::int64_t block = 1024;  // elements for which the whole program runs before the next
constexpr std::int64_t grain = 32 * 1024;  // elements that one thread takes at a time
constexpr int tallest = 32;  // of a tree over an int of shards: what waits on the stack

template <FoldOp op, class T> LS_HD T joined(T x, T y) {
  using A = Real<T>;
  const A a = converted<A>(x), b = converted<A>(y);
  if constexpr (std::is_same_v<T, bool>) {
    return op == FoldOp::sum || op == FoldOp::max ? (a || b) : (a && b);
  } else if constexpr (op == FoldOp::sum) {
    return converted<T>(static_cast<A>(a + b));
  } else if constexpr (op == FoldOp::product) {
    return converted<T>(static_cast<A>(a * b));
  } else if constexpr (op == FoldOp::max) {
    return converted<T>(math::larger(a, b));
  } else {
    return converted<T>(math::smaller(a, b));
  }
}

template <FoldOp op, class T> void join(const T* a, const T* b, T* out, std::int64_t n) {
  LS_SIMD
  for (std::int64_t i = 0; i < n; ++i) out[i] = joined<op>(a[i], b[i]);
}

// What lies on the stack: an input's block, or the sum in `scratch` at this depth.
template <FoldOp op, class T>
void run_block(const FoldCall& call, std::int64_t first, std::int64_t n) {
  alignas(64) T scratch[tallest][block];
  const T* stack[tallest + 1];
  int depth = 0;
  int pushed = 0;
  T* const out = static_cast<T*>(call.out) + first;
  for (int step = 0; step < call.steps; ++step) {
    if (call.program[step] == core::FoldStep::push) {
      stack[depth++] = static_cast<const T*>(call.in[pushed++]) + first;
    } else {
      --depth;
      // The last join of all writes the result; it reads what it overwrites first.
      T* const place = step + 1 == call.steps ? out : scratch[depth - 1];
      join<op>(stack[depth - 1], stack[depth], place, n);
      stack[depth - 1] = place;
    }
  }
  if (stack[0] != out) std::memmove(out, stack[0], static_cast<std::size_t>(n) * sizeof(T));
  if (call.scale == 1) return;
  if constexpr (!std::is_same_v<T, bool>) {
    using A = std::conditional_t<is_half<T> || std::is_same_v<T, float>, float, double>;
    const A scale = static_cast<A>(call.scale);
    for (std::int64_t i = 0; i < n; ++i)
      out[i] = converted<T>(static_cast<A>(converted<A>(out[i]) * scale));
  }
}

template <FoldOp op> void typed(const FoldCall& call) {
  with_type(call.dtype, [&]<class T>(T) {
    core::parallel_chunks(threads(), call.count, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; i += block)
        run_block<op, T>(call, i, std::min(block, end - i));
    });
  });
}

}  // namespace

void fold(const FoldCall& call) {
  switch (call.op) {
    case FoldOp::sum:
      return typed<FoldOp::sum>(call);
    case FoldOp::product:
      return typed<FoldOp::product>(call);
    case FoldOp::min:
      return typed<FoldOp::min>(call);
    case FoldOp::max:
      return typed<FoldOp::max>(call);
  }
}

}  // namespace lockstep::kernels::cpu
