#include <cmath>

#include "lockstep/ops/rows.h"
#include "tests/support/op_cases.h"

namespace lockstep::testing {
namespace {

Dense softmax_of(const Dense& x, int axis, bool is_logarithm) {
  Dense out(x.shape);
  if (axis < 0) axis += x.shape.rank();
  std::int64_t inner = 1;
  for (int k = axis + 1; k < x.shape.rank(); ++k) inner *= x.shape[k];
  const std::int64_t count = x.shape[axis];
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const std::int64_t first = i / (inner * count) * inner * count + i % inner;
    double largest = x[first], sum = 0;
    for (std::int64_t k = 0; k < count; ++k) largest = std::max(largest, x[first + k * inner]);
    for (std::int64_t k = 0; k < count; ++k) sum += std::exp(x[first + k * inner] - largest);
    out[i] = x[i] - largest - std::log(sum);
    if (!is_logarithm) out[i] = std::exp(out[i]);
  }
  return out;
}

OpCase softmax_case(const char* name, int axis, bool is_logarithm) {
  const auto of = [](const Shape& x) { return Arguments{{x, Kind::real, -4, 4}}; };
  return {.name = name,
          .op = is_logarithm ? "log_softmax" : "softmax",
          .call =
              [=](const Tensors& in) {
                return is_logarithm ? log_softmax(in[0], axis) : softmax(in[0], axis);
              },
          .reference =
              [=](const std::vector<Dense>& in) { return softmax_of(in[0], axis, is_logarithm); },
          .inputs = {of({3, 5}), of({1, 1}), of({2, 3, 4}), of({2, 67}), of({67, 2}), of({3, 16})},
          .empty = of({0, 4}),
          .random = [=](std::mt19937& generator) { return of(random_shape(generator, 2, 4)); }};
}

Dense cross_entropy_of(const std::vector<Dense>& in) {
  const Dense logs = softmax_of(in[0], 1, true);
  Dense loss(Shape{});
  double total = 0;
  for (std::int64_t i = 0; i < in[0].shape[0]; ++i) {
    const double weight = in.size() > 2 ? in[2][i] : 1;
    total += weight;
    loss[0] -= weight * logs[i * in[0].shape[1] + static_cast<std::int64_t>(in[1][i])];
  }
  loss[0] /= total;
  return loss;
}

OpCase cross_entropy_case(const char* name, bool is_weighted) {
  const auto of = [=](std::int64_t samples, std::int64_t classes) {
    Arguments all = {{{samples, classes}, Kind::real, -4, 4},
                     {{samples}, Kind::index, 0, static_cast<double>(classes)}};
    if (is_weighted) all.push_back({{samples}, Kind::constant, 0.1, 2});
    return all;
  };
  return {.name = name,
          .op = "cross_entropy",
          .call =
              [=](const Tensors& in) {
                return cross_entropy(in[0], in[1], is_weighted ? in[2] : Tensor());
              },
          .reference = cross_entropy_of,
          .inputs = {of(4, 3), of(1, 1), of(1, 5), of(7, 67), of(33, 10)},
          .empty = of(0, 3),
          .random =
              [=](std::mt19937& generator) {
                const std::int64_t samples = random_size(generator);
                return of(samples, random_size(generator, 12));
              }};
}

}  // namespace

std::vector<OpCase> row_cases() {
  const auto pair = [](const Shape& shape) { return Arguments{{shape}, {shape}}; };
  const OpCase mse_case = {
      .name = "mse",
      .op = "mse",
      .call = [](const Tensors& in) { return mse(in[0], in[1]); },
      .reference =
          [](const std::vector<Dense>& in) {
            Dense mean(Shape{});
            for (std::int64_t i = 0; i < in[0].size(); ++i)
              mean[0] += std::pow(in[0][i] - in[1][i], 2);
            mean[0] /= static_cast<double>(in[0].size());
            return mean;
          },
      .inputs = {pair({2, 3}), pair({}), pair({1}), pair({2, 3, 4}), pair({100})},
      .empty = pair({0, 2}),
      .random = [=](std::mt19937& generator) { return pair(random_shape(generator)); }};
  return {softmax_case("softmax", -1, false),
          softmax_case("softmax_first", 0, false),
          softmax_case("softmax_second", 1, false),
          softmax_case("log_softmax", -1, true),
          softmax_case("log_softmax_first", 0, true),
          cross_entropy_case("cross_entropy", false),
          cross_entropy_case("cross_entropy_weighted", true),
          mse_case};
}

}  // namespace lockstep::testing
