#include <cmath>

#include "lockstep/ops/norm.h"
#include "lockstep/tensor/views.h"
#include "tests/support/op_cases.h"

namespace lockstep::testing {
namespace {

Dense normalised(const std::vector<Dense>& in, const BatchNormOptions& options) {
  const Dense& x = in[0];
  const std::int64_t channels = x.shape[x.shape.rank() - 1];
  const std::int64_t rows = channels > 0 ? x.size() / channels : 0;
  Dense y(x.shape);
  for (std::int64_t c = 0; c < channels; ++c) {
    double mean = in[3][c], variance = in[4][c];
    if (options.training) {
      mean = variance = 0;
      for (std::int64_t i = 0; i < rows; ++i)
        mean += x[i * channels + c] / static_cast<double>(rows);
      for (std::int64_t i = 0; i < rows; ++i) {
        variance += std::pow(x[i * channels + c] - mean, 2) / static_cast<double>(rows);
      }
    }
    for (std::int64_t i = 0; i < rows; ++i) {
      const double value =
          (x[i * channels + c] - mean) / std::sqrt(variance + options.epsilon) * in[1][c] +
          in[2][c];
      y[i * channels + c] = options.relu && value < 0 ? 0 : value;
    }
  }
  return y;
}

OpCase batch_norm_case(const char* name, const BatchNormOptions& options, bool is_f32 = false) {
  const auto of = [=](const Shape& x) {
    const Shape channels = {x[x.rank() - 1]};
    return Arguments{{x},
                     {channels, Kind::real, 0.5, 2, is_f32},
                     {channels, Kind::real, -2, 2, is_f32},
                     {channels, Kind::constant, -1, 1, is_f32},
                     {channels, Kind::constant, 0.5, 2, is_f32}};
  };
  return {.name = name,
          .op = "batch_norm",
          // The running moments move, so each call gets its own.
          .call =
              [=](const Tensors& in) {
                const auto own = [](const Tensor& x) {
                  return x && x.device() == Device{} ? copied(x) : x;
                };
                return batch_norm(in[0], in[1], in[2], own(in[3]), own(in[4]), options);
              },
          .reference = [=](const std::vector<Dense>& in) { return normalised(in, options); },
          .inputs = {of({4, 3}), of({6, 1}), of({2, 3, 3, 2}), of({40, 17}), of({2, 5, 16})},
          .empty = of({0, 3}),
          .random =
              [=](std::mt19937& generator) {
                const std::int64_t rows = 3 + random_size(generator);
                return of({rows, random_size(generator, 2), random_size(generator)});
              },
          .tolerance = 2e-5};
}

}  // namespace

std::vector<OpCase> norm_cases() {
  return {batch_norm_case("batch_norm", {.epsilon = 1e-3}),
          batch_norm_case("batch_norm_relu", {.relu = true, .epsilon = 1e-3}),
          batch_norm_case("batch_norm_of_f32", {.relu = true, .epsilon = 1e-3}, true),
          batch_norm_case("batch_norm_evaluation", {.training = false}),
          batch_norm_case("batch_norm_evaluation_of_f32", {.training = false}, true),
          batch_norm_case("batch_norm_evaluation_relu", {.training = false, .relu = true})};
}

}  // namespace lockstep::testing
