// What ops ask of their arguments. Nothing is built unless a check fails.
#pragma once

#include "lockstep/tensor/tensor.h"

namespace lockstep::detail {

// UsageError for a default-constructed tensor.
void check_defined(const char* op, const char* argument, const Tensor& x);
// Defined and of a floating-point dtype.
void check_floating(const char* op, const char* argument, const Tensor& x);
// Defined and of any dtype but bool.
void check_numeric(const char* op, const char* argument, const Tensor& x);
// `b` is defined and of the dtype of `a`.
void check_same_dtype(const char* op, const Tensor& a, const char* argument, const Tensor& b);
// The same, or f32 beside an `a` of half precision.
void check_same_dtype_or_f32(const char* op, const Tensor& a, const char* argument,
                             const Tensor& b);
// Indices: defined, i64.
void check_index(const char* op, const char* argument, const Tensor& x);
// `layout` names the axes in the message: "[n, h, w, c]".
void check_rank(const char* op, const char* argument, const Tensor& x, int rank,
                const char* layout);
void check_shape(const char* op, const char* argument, const Tensor& x, const Shape& expected);
// DTypeError where an integer dtype cannot hold the number.
void check_number(const char* op, const Tensor& x, double number);
// For arguments that the op differentiates nothing for.
void check_constant(const char* op, const char* argument, const Tensor& x);
// Every index of a host tensor lies in [0, limit); `element` is what the message calls one.
void check_indices(const char* op, const char* element, const Tensor& index, std::int64_t limit);

}  // namespace lockstep::detail
