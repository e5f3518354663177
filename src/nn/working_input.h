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

}  // namespace lockstep::nn
