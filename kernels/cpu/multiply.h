// The blocked matrix product that gemm and 1 x 1 convolutions share.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lockstep/kernels/calls.h"

namespace lockstep::kernels::cpu {

// out[i][j] (+)= activation(sum over k of a[i][k] b[k][j] + bias[j]); out's columns are contiguous,
// all else has any stride.
template <class T> struct Product {
  std::int64_t rows = 0, columns = 0, depth = 0;
  const T* a = nullptr;
  std::ptrdiff_t a_row = 0, a_step = 0;
  const T* b = nullptr;
  std::ptrdiff_t b_step = 0, b_column = 0;
  T* out = nullptr;
  std::ptrdiff_t out_row = 0;
  const T* bias = nullptr;
  std::ptrdiff_t bias_column = 0;
  bool add = false;
  Activation activation = Activation::none;
};

template <class T> void multiply(const Product<T>& product);

}  // namespace lockstep::kernels::cpu
