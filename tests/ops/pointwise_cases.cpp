#include <algorithm>
#include <cmath>

#include "lockstep/ops/pointwise.h"
#include "tests/support/op_cases.h"

namespace lockstep::testing {
namespace {

double gelu_of(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

using Function = Tensor (*)(const Tensor&);

OpCase unary(const char* name, Function f, double (*reference)(double), double low = -3,
             double high = 3) {
  const auto of = [=](const Shape& shape) { return Arguments{{shape, Kind::real, low, high}}; };
  return {.name = name,
          .op = name,
          .call = [=](const Tensors& in) { return f(in[0]); },
          .reference =
              [=](const std::vector<Dense>& in) {
                return elementwise([=](const double* x) { return reference(x[0]); }, in);
              },
          .inputs = {of({}), of({1}), of({3, 5}), of({2, 3, 4}), of({67})},
          .empty = of({0, 3}),
          .random = [=](std::mt19937& generator) { return of(random_shape(generator)); }};
}

using Function2 = Tensor (*)(const Tensor&, const Tensor&);

OpCase binary(const char* name, Function2 f, double (*reference)(double, double), double low = -3) {
  const auto of = [=](const Shape& a, const Shape& b) {
    return Arguments{{a, Kind::real, -3, 3}, {b, Kind::real, low, 3}};
  };
  return {.name = name,
          .op = name,
          .call = [=](const Tensors& in) { return f(in[0], in[1]); },
          .reference =
              [=](const std::vector<Dense>& in) {
                return elementwise([=](const double* x) { return reference(x[0], x[1]); }, in);
              },
          .inputs = {of({2, 3}, {2, 3}), of({}, {}), of({1}, {1}), of({2, 3}, {3}), of({3}, {2, 3}),
                     of({2, 1, 4}, {3, 1}), of({}, {2, 2}), of({4, 33}, {4, 1})},
          .empty = of({0, 3}, {1, 3}),
          .random =
              [=](std::mt19937& generator) {
                const Shape a = random_shape(generator);
                Shape b;
                for (int axis = static_cast<int>(generator() % 2) % a.rank(); axis < a.rank();
                     ++axis) {
                  b.append(generator() % 3 == 0 ? 1 : a[axis]);
                }
                return of(a, b);
              },
          .takes_integers = std::string(name) != "div"};
}

OpCase with_number(const char* name, const char* op, const char* kernel, Function f,
                   double (*reference)(double), double low = -3) {
  OpCase row = unary(name, f, reference, low);
  row.op = op;
  row.kernel = kernel;
  row.takes_integers = std::string(op) != "div";
  return row;
}

}  // namespace

std::vector<OpCase> pointwise_cases() {
  OpCase neg_case = unary("neg", neg, [](double x) { return -x; });
  neg_case.takes_integers = true;
  return {
      binary("add", add, [](double a, double b) { return a + b; }),
      binary("sub", sub, [](double a, double b) { return a - b; }),
      binary("mul", mul, [](double a, double b) { return a * b; }),
      binary(
          "div", div, [](double a, double b) { return a / b; }, 0.5),
      neg_case,
      unary("exp", exp, [](double x) { return std::exp(x); }),
      unary(
          "log", log, [](double x) { return std::log(x); }, 0.3),
      unary(
          "sqrt", sqrt, [](double x) { return std::sqrt(x); }, 0.3),
      unary("relu", relu, [](double x) { return x > 0 ? x : 0; }),
      unary("gelu", gelu, gelu_of),
      unary("tanh", tanh, [](double x) { return std::tanh(x); }),
      unary("sigmoid", sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }),
      unary("silu", silu, [](double x) { return x / (1 + std::exp(-x)); }),
      unary("exact_gelu", exact_gelu,
            [](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }),
      unary(
          "leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.25); },
          [](double x) { return x > 0 ? x : 0.25 * x; }),
      unary(
          "elu", [](const Tensor& x) { return elu(x, 1.5); },
          [](double x) { return x > 0 ? x : 1.5 * (std::exp(x) - 1); }),
      unary(
          "clamp", [](const Tensor& x) { return clamp(x, -1.25, 2); },
          [](double x) { return std::min(std::max(x, -1.25), 2.0); }),
      with_number(
          "add_number", "add", "affine", [](const Tensor& x) { return x + 3; },
          [](double x) { return x + 3; }),
      with_number(
          "number_add", "add", "affine", [](const Tensor& x) { return 3 + x; },
          [](double x) { return 3 + x; }),
      with_number(
          "sub_number", "sub", "affine", [](const Tensor& x) { return x - 2; },
          [](double x) { return x - 2; }),
      with_number(
          "number_sub", "sub", "affine", [](const Tensor& x) { return 2 - x; },
          [](double x) { return 2 - x; }),
      with_number(
          "mul_number", "mul", "affine", [](const Tensor& x) { return x * 3; },
          [](double x) { return x * 3; }),
      with_number(
          "number_mul", "mul", "affine", [](const Tensor& x) { return 3 * x; },
          [](double x) { return 3 * x; }),
      with_number(
          "div_number", "div", "affine", [](const Tensor& x) { return x / 4; },
          [](double x) { return x / 4; }),
      with_number(
          "number_div", "div", "reciprocal", [](const Tensor& x) { return 2.5 / x; },
          [](double x) { return 2.5 / x; }, 0.4),
  };
}

}  // namespace lockstep::testing
