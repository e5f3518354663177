// Matrix products.
#pragma once

#include "lockstep/kernels/calls.h"
#include "lockstep/tensor/tensor.h"

namespace lockstep {

using kernels::Activation;

// [m, k] x [k, n] -> [m, n]. A vector [k] on the left is a row, on the right a column, and its axis
// is dropped again; axes in front of the last two are a batch and broadcast. Floating point.
Tensor matmul(const Tensor& a, const Tensor& b);

// activation(x weight^T + bias) in one pass: x [..., in], weight [out, in], bias [out] or undefined
// -> [..., out]. The bias may be f32 beside halves.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              Activation activation = Activation::none);

}  // namespace lockstep
