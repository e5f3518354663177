// Rows picked by number.
#pragma once

#include "lockstep/tensor/tensor.h"

namespace lockstep {

// out[i...] = table[index[i...]]: table [rows, ...], index i64 of any shape. The gradient adds up
// where a row is picked more than once. UsageError names the first index out of range.
Tensor gather(const Tensor& table, const Tensor& index);
// 1 at the class of each i64 index and 0 elsewhere: [...] -> [..., classes].
Tensor one_hot(const Tensor& index, std::int64_t classes, DType dtype = DType::f32);

}  // namespace lockstep
