#include <cmath>

#include "lockstep/ops/linalg.h"
#include "tests/support/op_cases.h"

namespace lockstep::testing {
namespace {

Dense with_shape(Dense x, const Shape& shape) {
  x.shape = shape;
  return x;
}

// Products of matrices [..., m, k] and [..., k, n] with broadcast batch axes.
Dense matrix_products(const Dense& a, const Dense& b) {
  const auto batch_of = [](const Shape& shape) {
    Shape batch;
    for (int axis = 0; axis + 2 < shape.rank(); ++axis) batch.append(shape[axis]);
    return batch;
  };
  const std::int64_t m = a.shape[a.shape.rank() - 2], k = a.shape[a.shape.rank() - 1];
  const std::int64_t n = b.shape[b.shape.rank() - 1];
  // The number of each operand's matrix, broadcast like a tensor of numbers.
  Dense a_number(batch_of(a.shape)), b_number(batch_of(b.shape));
  for (std::int64_t i = 0; i < a_number.size(); ++i) a_number[i] = static_cast<double>(i);
  for (std::int64_t i = 0; i < b_number.size(); ++i) b_number[i] = static_cast<double>(i);
  const std::vector<Dense> both = {a_number, b_number};
  const Dense a_of = elementwise([](const double* x) { return x[0]; }, both);
  const Dense b_of = elementwise([](const double* x) { return x[1]; }, both);
  Shape shape = a_of.shape;
  shape.append(m);
  shape.append(n);
  Dense out(shape);
  for (std::int64_t batch = 0; batch < a_of.size(); ++batch) {
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        for (std::int64_t l = 0; l < k; ++l) {
          out[(batch * m + i) * n + j] +=
              a[(static_cast<std::int64_t>(a_of[batch]) * m + i) * k + l] *
              b[(static_cast<std::int64_t>(b_of[batch]) * k + l) * n + j];
        }
      }
    }
  }
  return out;
}

Dense matmul_reference(const std::vector<Dense>& in) {
  Dense a = in[0], b = in[1];
  const bool is_row = a.shape.rank() == 1, is_column = b.shape.rank() == 1;
  if (is_row) a.shape = {1, a.shape[0]};
  if (is_column) b.shape = {b.shape[0], 1};
  Dense out = matrix_products(a, b);
  if (is_row) out = with_shape(out, out.shape.without(out.shape.rank() - 2));
  if (is_column) out = with_shape(out, out.shape.without(out.shape.rank() - 1));
  return out;
}

double activated(Activation activation, double x) {
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::relu:
      return x < 0 ? 0 : x;
    case Activation::gelu:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::tanh:
      return std::tanh(x);
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
  }
  return x;
}

OpCase linear_case(const char* name, Activation activation, Bias bias) {
  const auto of = [=](Shape x, std::int64_t out) {
    Arguments all = {{x}, {{out, x[x.rank() - 1]}}};
    if (bias != Bias::none) all.push_back({{out}, Kind::real, -2, 2, bias == Bias::f32});
    return all;
  };
  const auto reference = [=](const std::vector<Dense>& in) {
    const Dense& x = in[0];
    const Dense& weight = in[1];
    Shape shape = x.shape;
    shape[shape.rank() - 1] = weight.shape[0];
    Dense y(shape);
    for (std::int64_t i = 0; i < y.size(); ++i) {
      const std::int64_t row = i / weight.shape[0], column = i % weight.shape[0];
      double sum = bias != Bias::none ? in[2][column] : 0;
      for (std::int64_t k = 0; k < weight.shape[1]; ++k) {
        sum += x[row * weight.shape[1] + k] * weight[column * weight.shape[1] + k];
      }
      y[i] = activated(activation, sum);
    }
    return y;
  };
  return {.name = name,
          .op = "linear",
          .call =
              [=](const Tensors& in) {
                return linear(in[0], in[1], bias != Bias::none ? in[2] : Tensor(), activation);
              },
          .reference = reference,
          .inputs = {of({3, 4}, 5), of({1, 1}, 1), of({2, 3, 4}, 2), of({4}, 3), of({33, 17}, 19)},
          .empty = of({0, 3}, 2),
          .random =
              [=](std::mt19937& generator) {
                return of(random_shape(generator, 1, 3), random_size(generator, 40));
              }};
}

}  // namespace

std::vector<OpCase> linalg_cases() {
  const auto of = [](const Shape& a, const Shape& b) { return Arguments{{a}, {b}}; };
  OpCase matmul_case = {
      .name = "matmul",
      .op = "matmul",
      .call = [](const Tensors& in) { return matmul(in[0], in[1]); },
      .reference = matmul_reference,
      .inputs = {of({2, 3}, {3, 4}), of({1, 1}, {1, 1}), of({3}, {3}), of({3}, {3, 2}),
                 of({2, 3}, {3}), of({5, 2, 3}, {3, 4}), of({5, 2, 3}, {5, 3, 4}),
                 of({2, 3}, {5, 3, 4}), of({1, 2, 3}, {5, 3, 4}), of({2, 1, 2, 3}, {3, 3, 2}),
                 of({2, 2, 2, 3}, {2, 2, 3, 1}), of({3}, {2, 3, 4}), of({2, 2, 3}, {3}),
                 of({17, 33}, {33, 18})},
      .empty = of({0, 3}, {3, 2}),
      .random =
          [=](std::mt19937& generator) {
            const std::int64_t m = random_size(generator), k = random_size(generator);
            const std::int64_t n = random_size(generator), batch = random_size(generator);
            switch (generator() % 3) {
              case 0:
                return of({m, k}, {k, n});
              case 1:
                return of({batch, m, k}, {generator() % 2 == 0 ? batch : 1, k, n});
              default:
                return of({2, generator() % 2 == 0 ? 1 : batch, m, k}, {batch, k, n});
            }
          }};
  OpCase deep_case = matmul_case;
  deep_case.name = "matmul_without_depth";
  deep_case.inputs = {of({2, 0}, {0, 3})};
  deep_case.empty = of({2, 0, 2}, {2, 0});
  deep_case.random = {};
  deep_case.hides_nan = true;
  return {matmul_case,
          deep_case,
          linear_case("linear", Activation::none, Bias::alike),
          linear_case("linear_without_bias", Activation::none, Bias::none),
          linear_case("linear_relu", Activation::relu, Bias::alike),
          linear_case("linear_relu_of_f32_bias", Activation::relu, Bias::f32),
          linear_case("linear_gelu", Activation::gelu, Bias::alike),
          linear_case("linear_tanh", Activation::tanh, Bias::alike),
          linear_case("linear_sigmoid", Activation::sigmoid, Bias::none)};
}

}  // namespace lockstep::testing
