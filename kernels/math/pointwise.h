// Every pointwise op: its value and its slopes, compiled by the host compiler and nvcc alike.
#pragma once

#include <cmath>

#include "kernels/math/functions.h"
#include "kernels/math/hd.h"
#include "kernels/math/op_list.h"

namespace lockstep::kernels::math {

// Unary op: value(x, scalars), slope(x, y, scalars); binary: value(a, b), slope_a(a, b, y),
// slope_b(a, b, y). uses_input / uses_output: what the slopes read, so that the tape keeps nothing
// else.

#define LS_UNARY(input, output)             \
  static constexpr int inputs = 1;          \
  static constexpr bool uses_input = input; \
  static constexpr bool uses_output = output;
#define LS_BINARY(input, output)            \
  static constexpr int inputs = 2;          \
  static constexpr bool uses_input = input; \
  static constexpr bool uses_output = output;

struct Scalars {
  double values[2];
  template <class A> LS_HD A at(int i) const { return static_cast<A>(values[i]); }
};

struct Neg {
  static constexpr const char* name = "neg";
  LS_UNARY(false, false)
  template <class A> LS_HD static A value(A x, Scalars) { return -x; }
  template <class A> LS_HD static A slope(A, A, Scalars) { return A(-1); }
};
struct Exp {
  static constexpr const char* name = "exp";
  LS_UNARY(false, true)
  template <class A> LS_HD static A value(A x, Scalars) { return exponential(x); }
  template <class A> LS_HD static A slope(A, A y, Scalars) { return y; }
};
struct Log {
  static constexpr const char* name = "log";
  LS_UNARY(true, false)
  template <class A> LS_HD static A value(A x, Scalars) { return std::log(x); }
  template <class A> LS_HD static A slope(A x, A, Scalars) { return A(1) / x; }
};
struct Sqrt {
  static constexpr const char* name = "sqrt";
  LS_UNARY(false, true)
  template <class A> LS_HD static A value(A x, Scalars) { return std::sqrt(x); }
  template <class A> LS_HD static A slope(A, A y, Scalars) { return A(0.5) / y; }
};
struct Relu {
  static constexpr const char* name = "relu";
  LS_UNARY(false, true)
  // The comparison is written so that NaN passes through.
  template <class A> LS_HD static A value(A x, Scalars) { return x < A(0) ? A(0) : x; }
  template <class A> LS_HD static A slope(A, A y, Scalars) { return y > A(0) ? A(1) : A(0); }
};
// The tanh form of GELU: Hendrycks, Gimpel, "Gaussian Error Linear Units", 2016; (1 + tanh(u)) / 2
// = logistic(2 u).
struct Gelu {
  static constexpr const char* name = "gelu";
  LS_UNARY(true, false)
  template <class A> LS_HD static A gate(A x) {
    return logistic(A(2 * 0.79788456080286535588) * (x + A(0.044715) * x * x * x));
  }
  template <class A> LS_HD static A value(A x, Scalars) { return x * gate(x); }
  template <class A> LS_HD static A slope(A x, A, Scalars) {
    const A g = gate(x);
    const A inner_slope = A(2 * 0.79788456080286535588) * (A(1) + A(3 * 0.044715) * x * x);
    return g + x * g * (A(1) - g) * inner_slope;
  }
};
struct Tanh {
  static constexpr const char* name = "tanh";
  LS_UNARY(false, true)
  template <class A> LS_HD static A value(A x, Scalars) { return std::tanh(x); }
  template <class A> LS_HD static A slope(A, A y, Scalars) { return A(1) - y * y; }
};
struct Sigmoid {
  static constexpr const char* name = "sigmoid";
  LS_UNARY(false, true)
  template <class A> LS_HD static A value(A x, Scalars) { return logistic(x); }
  template <class A> LS_HD static A slope(A, A y, Scalars) { return y * (A(1) - y); }
};
// The nearest number from scalar 0 to scalar 1.
struct Clamp {
  static constexpr const char* name = "clamp";
  LS_UNARY(false, true)
  template <class A> LS_HD static A value(A x, Scalars s) {
    const A raised = x < s.at<A>(0) ? s.at<A>(0) : x;
    return raised > s.at<A>(1) ? s.at<A>(1) : raised;
  }
  template <class A> LS_HD static A slope(A, A y, Scalars s) {
    return y > s.at<A>(0) && y < s.at<A>(1) ? A(1) : A(0);
  }
};
// scalar 0 * x below 0: Maas, Hannun, Ng, 2013.
struct LeakyRelu {
  static constexpr const char* name = "leaky_relu";
  LS_UNARY(true, false)
  template <class A> LS_HD static A value(A x, Scalars s) { return x > A(0) ? x : s.at<A>(0) * x; }
  template <class A> LS_HD static A slope(A x, A, Scalars s) {
    return x > A(0) ? A(1) : s.at<A>(0);
  }
};
// scalar 0 * (e^x - 1) below 0: Clevert, Unterthiner, Hochreiter, 2015.
struct Elu {
  static constexpr const char* name = "elu";
  LS_UNARY(true, false)
  template <class A> LS_HD static A value(A x, Scalars s) {
    return x > A(0) ? x : s.at<A>(0) * (exponential(x) - A(1));
  }
  template <class A> LS_HD static A slope(A x, A, Scalars s) {
    return x > A(0) ? A(1) : s.at<A>(0) * exponential(x);
  }
};
struct Silu {
  static constexpr const char* name = "silu";
  LS_UNARY(true, false)
  template <class A> LS_HD static A value(A x, Scalars) { return x * logistic(x); }
  template <class A> LS_HD static A slope(A x, A, Scalars) {
    const A g = logistic(x);
    return g + x * g * (A(1) - g);
  }
};
// GELU by the normal distribution itself.
struct ExactGelu {
  static constexpr const char* name = "exact_gelu";
  LS_UNARY(true, false)
  template <class A> LS_HD static A below(A x) {
    return A(0.5) * (A(1) + std::erf(x * A(0.70710678118654752440)));
  }
  template <class A> LS_HD static A value(A x, Scalars) { return x * below(x); }
  template <class A> LS_HD static A slope(A x, A, Scalars) {
    return below(x) + x * A(0.39894228040143267794) * exponential(A(-0.5) * x * x);
  }
};
// scale * x + shift: every op between a tensor and a number.
struct Affine {
  static constexpr const char* name = "affine";
  LS_UNARY(false, false)
  template <class A> LS_HD static A value(A x, Scalars s) { return x * s.at<A>(0) + s.at<A>(1); }
  template <class A> LS_HD static A slope(A, A, Scalars s) { return s.at<A>(0); }
};
// scale / x: a number divided by a tensor.
struct Reciprocal {
  static constexpr const char* name = "reciprocal";
  LS_UNARY(true, true)
  template <class A> LS_HD static A value(A x, Scalars s) { return s.at<A>(0) / x; }
  template <class A> LS_HD static A slope(A x, A y, Scalars) { return -y / x; }
};

struct Add {
  static constexpr const char* name = "add";
  LS_BINARY(false, false)
  template <class A> LS_HD static A value(A a, A b) { return a + b; }
  template <class A> LS_HD static A slope_a(A, A, A) { return A(1); }
  template <class A> LS_HD static A slope_b(A, A, A) { return A(1); }
};
struct Sub {
  static constexpr const char* name = "sub";
  LS_BINARY(false, false)
  template <class A> LS_HD static A value(A a, A b) { return a - b; }
  template <class A> LS_HD static A slope_a(A, A, A) { return A(1); }
  template <class A> LS_HD static A slope_b(A, A, A) { return A(-1); }
};
struct Mul {
  static constexpr const char* name = "mul";
  LS_BINARY(true, false)
  template <class A> LS_HD static A value(A a, A b) { return a * b; }
  template <class A> LS_HD static A slope_a(A, A b, A) { return b; }
  template <class A> LS_HD static A slope_b(A a, A, A) { return a; }
};
struct Div {
  static constexpr const char* name = "div";
  LS_BINARY(true, true)
  template <class A> LS_HD static A value(A a, A b) { return a / b; }
  template <class A> LS_HD static A slope_a(A, A b, A) { return A(1) / b; }
  template <class A> LS_HD static A slope_b(A, A b, A y) { return -y / b; }
};

#undef LS_UNARY
#undef LS_BINARY

using Pointwise = OpList<Neg, Exp, Log, Sqrt, Relu, Gelu, Tanh, Sigmoid, Affine, Reciprocal, Add,
                         Sub, Mul, Div, Clamp, LeakyRelu, Elu, Silu, ExactGelu>;

}  // namespace lockstep::kernels::math
