// Element-by-element ops: arithmetic with NumPy broadcasting, and functions of one tensor.
#pragma once

#include "lockstep/tensor/tensor.h"

namespace lockstep {

// Tensors broadcast by NumPy's rule and must share dtype and device; a number adopts the tensor's
// dtype (a DTypeError where it does not fit: 0.5 and an integer tensor). All dtypes but bool; div
// floating point only.
Tensor add(const Tensor& a, const Tensor& b);
Tensor add(const Tensor& a, double b);
Tensor add(double a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, double b);
Tensor sub(double a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, double b);
Tensor mul(double a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, double b);
Tensor div(double a, const Tensor& b);

inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator+(const Tensor& a, double b) { return add(a, b); }
inline Tensor operator+(double a, const Tensor& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator-(const Tensor& a, double b) { return sub(a, b); }
inline Tensor operator-(double a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator*(const Tensor& a, double b) { return mul(a, b); }
inline Tensor operator*(double a, const Tensor& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
inline Tensor operator/(const Tensor& a, double b) { return div(a, b); }
inline Tensor operator/(double a, const Tensor& b) { return div(a, b); }

// neg takes any dtype but bool, the others floating point.
Tensor neg(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor relu(const Tensor& x);
Tensor gelu(const Tensor& x);  // the tanh form
Tensor tanh(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor silu(const Tensor& x);        // x sigmoid(x)
Tensor exact_gelu(const Tensor& x);  // by the normal distribution, not its tanh form
Tensor leaky_relu(const Tensor& x, double slope = 0.01);  // slope x below 0
Tensor elu(const Tensor& x, double alpha = 1);            // alpha (e^x - 1) below 0
// The nearest number from low to high. UsageError where low is above high.
Tensor clamp(const Tensor& x, double low, double high);

inline Tensor operator-(const Tensor& x) { return neg(x); }

// In place: UsageError where recording is on and an argument needs a gradient. `b` broadcasts to
// x's shape.
const Tensor& add_(const Tensor& x, const Tensor& b);
const Tensor& add_(const Tensor& x, double b);
const Tensor& sub_(const Tensor& x, const Tensor& b);
const Tensor& sub_(const Tensor& x, double b);
const Tensor& mul_(const Tensor& x, const Tensor& b);
const Tensor& mul_(const Tensor& x, double b);
const Tensor& div_(const Tensor& x, const Tensor& b);
const Tensor& div_(const Tensor& x, double b);
const Tensor& neg_(const Tensor& x);
const Tensor& exp_(const Tensor& x);
const Tensor& log_(const Tensor& x);
const Tensor& sqrt_(const Tensor& x);
const Tensor& relu_(const Tensor& x);
const Tensor& gelu_(const Tensor& x);
const Tensor& tanh_(const Tensor& x);
const Tensor& sigmoid_(const Tensor& x);

}  // namespace lockstep
