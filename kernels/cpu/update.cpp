#include "kernels/math/update.h"

#include <algorithm>

#include "kernels/cpu/convert.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/simd.h"
#include "kernels/host.h"
#include "lockstep/core/parallel_for.h"

namespace lockstep::kernels::cpu {
namespace {

constexpr std::int64_t grain = 32 * 1024;

// Elements whose gradients are claimed at a time, and how far ahead: a plain read would leave the
// lines shared with the core that wrote them, and the next backward pass wait for each of them.
constexpr std::int64_t claimed_at_once = 256;
constexpr std::int64_t claimed_ahead = 256;
// Elements whose shadow is written while they are in the first-level cache.
constexpr std::int64_t shadowed_at_once = 2048;

template <class A> void claim(const A* from, const A* end) {
  constexpr auto line = static_cast<std::int64_t>(64 / sizeof(A));
  for (; from < end; from += std::min<std::int64_t>(line, end - from)) __builtin_prefetch(from, 1);
}

// Writes the shadow of parameters [first, first + n), which lie at `from`.
template <class A>
void write_shadow(const UpdateCall& call, const A* from, std::int64_t first, std::int64_t n) {
  if (call.shadow == nullptr) return;
  if (call.shadow_dtype == DType::bf16) {
    store_run(from, static_cast<bfloat16*>(call.shadow) + first, 1, n);
  } else {
    store_run(from, static_cast<float16*>(call.shadow) + first, 1, n);
  }
}

// Elements [0, n), n a whole number of blocks.
template <class Rule, int states, class A>
void whole_blocks_of(std::int64_t n, A* parameter, const A* gradient, A* first, A* second, A scale,
                     const typename Rule::template Constants<A>& constants) {
  n = whole_blocks(n);
  LS_SIMD
  for (std::int64_t i = 0; i < n; ++i) {
    const A scaled = gradient[i] * scale;
    if constexpr (states == 0) Rule::update(parameter[i], scaled, constants);
    if constexpr (states == 1) Rule::update(parameter[i], scaled, first[i], constants);
    if constexpr (states == 2) Rule::update(parameter[i], scaled, first[i], second[i], constants);
  }
}

template <class Rule, int states, class A> void run(const UpdateCall& call) {
  const typename Rule::template Constants<A> constants(*call.scalars);
  const A scale = A(call.scalars->gradient_scale);
  A* const parameter = static_cast<A*>(call.parameter);
  const A* const gradient = static_cast<const A*>(call.gradient);
  A* const first = static_cast<A*>(call.state[0]);
  A* const second = static_cast<A*>(call.state[1]);
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t n = end - begin;
    A* const s0 = states > 0 ? first + begin : nullptr;
    A* const s1 = states > 1 ? second + begin : nullptr;
    const std::int64_t done = whole_blocks(n);
    std::int64_t at_once = call.shadow != nullptr ? shadowed_at_once : done;
    if (call.claims_gradient) at_once = claimed_at_once;
    for (std::int64_t at = 0; at < done; at += at_once) {
      const A* const g = gradient + begin + at;
      if (call.claims_gradient)
        claim(std::min(g + claimed_ahead, gradient + end),
              std::min(g + claimed_ahead + at_once, gradient + end));
      const std::int64_t count = std::min(at_once, done - at);
      whole_blocks_of<Rule, states>(count, parameter + begin + at, g,
                                    states > 0 ? s0 + at : nullptr, states > 1 ? s1 + at : nullptr,
                                    scale, constants);
      write_shadow(call, parameter + begin + at, begin + at, count);
    }
    if (done == n) return;
    const std::int64_t rest = n - done;
    A p[lane_block] = {}, g[lane_block] = {}, a[lane_block] = {}, b[lane_block] = {};
    std::copy_n(parameter + begin + done, rest, p);
    std::copy_n(gradient + begin + done, rest, g);
    if constexpr (states > 0) std::copy_n(s0 + done, rest, a);
    if constexpr (states > 1) std::copy_n(s1 + done, rest, b);
    whole_blocks_of<Rule, states>(lane_block, p, g, a, b, scale, constants);
    std::copy_n(p, rest, parameter + begin + done);
    write_shadow(call, p, begin + done, rest);
    if constexpr (states > 0) std::copy_n(a, rest, s0 + done);
    if constexpr (states > 1) std::copy_n(b, rest, s1 + done);
  };
  core::parallel_chunks(threads(), call.count, grain, part);
}

template <class A> void typed(const UpdateCall& call) {
  math::Updates::with(call.rule, [&]<class Rule>() {
    if constexpr (Rule::least_states < Rule::states) {
      if (!Rule::needs_last_state(*call.scalars)) return run<Rule, Rule::least_states, A>(call);
    }
    run<Rule, Rule::states, A>(call);
  });
}

}  // namespace

void update(const UpdateCall& call) {
  if (call.dtype == DType::f32) return typed<float>(call);
  if (call.dtype == DType::f64) return typed<double>(call);
  fail("update: parameters of this element type have no update on the CPU",
       "keep f32 parameters and compute in half precision from them");
}

}  // namespace lockstep::kernels::cpu
