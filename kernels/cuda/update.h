// The optimizers' updates: one launch for a whole arena.
#pragma once

#include "kernels/cuda/walk.h"
#include "kernels/host.h"
#include "kernels/math/element.h"
#include "kernels/math/update.h"

namespace lockstep::kernels::cuda {

// Each element of parameter, gradient, state and shadow is touched once.
template <class Rule, int states, class A> struct UpdateStep {
  A* parameters;
  const A* gradients;
  A* first;
  A* second;
  std::uint16_t* shadow;  // of halves, or null
  bool is_shadow_bf16;
  A scale;
  typename Rule::template Constants<A> constants;

  LS_HD void operator()(std::uint32_t i) const {
    const A gradient = gradients[i] * scale;
    A parameter = parameters[i];
    if constexpr (states == 0) Rule::update(parameter, gradient, constants);
    if constexpr (states == 1) Rule::update(parameter, gradient, first[i], constants);
    if constexpr (states == 2) Rule::update(parameter, gradient, first[i], second[i], constants);
    parameters[i] = parameter;
    if constexpr (std::is_same_v<A, float>) {
      if (shadow != nullptr) shadow[i] = bits_of_half(parameter);
    }
  }
  LS_HD std::uint16_t bits_of_half(float value) const {
    return is_shadow_bf16 ? math::narrowed<bfloat16>(value).bits
                          : math::narrowed<float16>(value).bits;
  }
};

template <class Rule, int states, class A, class On>
void update_of(const On& on, const UpdateCall& call) {
  const typename Rule::template Constants<A> constants(*call.scalars);
  const auto at = [](void* data, std::int64_t first) {
    return data == nullptr ? nullptr : static_cast<A*>(data) + first;
  };
  auto* const shadow = static_cast<std::uint16_t*>(call.shadow);
  for (std::int64_t first = 0; first < call.count; first += most_elements) {
    const std::int64_t count = std::min(most_elements, call.count - first);
    on.for_steps(static_cast<std::uint32_t>(count),
                 UpdateStep<Rule, states, A>{
                     at(call.parameter, first), static_cast<const A*>(call.gradient) + first,
                     at(call.state[0], first), at(call.state[1], first),
                     shadow == nullptr ? nullptr : shadow + first, call.shadow_dtype == DType::bf16,
                     static_cast<A>(call.scalars->gradient_scale), constants});
    on.launched("update", Rule::name);
  }
}

template <class A, class On> void update_elements(const On& on, const UpdateCall& call) {
  math::Updates::with(call.rule, [&]<class Rule>() {
    if constexpr (Rule::least_states < Rule::states) {
      if (!Rule::needs_last_state(*call.scalars))
        return update_of<Rule, Rule::least_states, A>(on, call);
    }
    update_of<Rule, Rule::states, A>(on, call);
  });
}

template <class On> void update_on(const On& on, const UpdateCall& call) {
  if (call.dtype == DType::f32) return update_elements<float>(on, call);
  if (call.dtype == DType::f64) return update_elements<double>(on, call);
  fail("update: parameters of this element type have no update on CUDA",
       "keep f32 parameters and compute in half precision from them");
}

}  // namespace lockstep::kernels::cuda
