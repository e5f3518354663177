// What a layer computes with whose weight has a shadow.
#pragma once

#include "lockstep/autograd/shadow.h"
#include "lockstep/ops/views.h"

namespace lockstep::nn {

// A floating-point input of another dtype is converted to the shadow's; without a shadow it stays
// as it is, and a dtype that does not fit is an error of the op.
inline Tensor working_input(const Tensor& x, const Tensor& weight) {
  const bool is_converted =
      weight.shadow() && x.is_defined() && x.dtype() != DType::f64 && is_floating(x.dtype());
  return is_converted ? cast(x, weight.shadow()->dtype) : x;
}

// Layers whose ops take no halves beside parameters of f32 compute in f32, and give halves again.
template <class F> Tensor computed_in_f32(const Tensor& x, const Tensor& parameter, const F& f) {
  const bool is_widened =
      x.is_defined() && is_half_precision(x.dtype()) && parameter.dtype() == DType::f32;
  return is_widened ? cast(f(cast(x, DType::f32)), x.dtype()) : f(x);
}

}  // namespace lockstep::nn
