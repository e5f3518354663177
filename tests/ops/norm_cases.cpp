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

Dense layer_normalised(const std::vector<Dense>& in, double epsilon) {
  const Dense& x = in[0];
  const std::int64_t channels = x.shape[x.shape.rank() - 1];
  const auto count = static_cast<double>(channels);
  Dense y(x.shape);
  for (std::int64_t first = 0; first < x.size(); first += channels) {
    double mean = 0, variance = 0;
    for (std::int64_t c = 0; c < channels; ++c) mean += x[first + c] / count;
    for (std::int64_t c = 0; c < channels; ++c) {
      variance += std::pow(x[first + c] - mean, 2) / count;
    }
    for (std::int64_t c = 0; c < channels; ++c) {
      y[first + c] = (x[first + c] - mean) / std::sqrt(variance + epsilon);
      if (in.size() > 1) y[first + c] = y[first + c] * in[1][c] + in[2][c];
    }
  }
  return y;
}

OpCase layer_norm_case(const char* name, bool is_affine) {
  constexpr double epsilon = 1e-2;  // rows of one or two elements are close to it
  const auto of = [=](const Shape& x) {
    const Shape channels = {x[x.rank() - 1]};
    Arguments all = {{x}};
    if (is_affine) all.insert(all.end(), {{channels, Kind::real, 0.5, 2}, {channels}});
    return all;
  };
  return {
      .name = name,
      .op = "layer_norm",
      .call =
          [=](const Tensors& in) {
            return is_affine ? layer_norm(in[0], in[1], in[2], {.epsilon = epsilon})
                             : layer_norm(in[0], {}, {}, {.epsilon = epsilon});
          },
      .reference = [=](const std::vector<Dense>& in) { return layer_normalised(in, epsilon); },
      .inputs = {of({4, 3}), of({5}), of({1, 1}), of({2, 3, 3, 2}), of({17, 40}), of({2, 5, 67})},
      .empty = of({0, 3}),
      .random = [=](std::mt19937& generator) { return of(random_shape(generator)); },
      .tolerance = 2e-5};
}

}  // namespace

std::vector<OpCase> norm_cases() {
  return {layer_norm_case("layer_norm", true),
          layer_norm_case("layer_norm_plain", false),
          batch_norm_case("batch_norm", {.epsilon = 1e-3}),
          batch_norm_case("batch_norm_relu", {.relu = true, .epsilon = 1e-3}),
          batch_norm_case("batch_norm_of_f32", {.relu = true, .epsilon = 1e-3}, true),
          batch_norm_case("batch_norm_evaluation", {.training = false}),
          batch_norm_case("batch_norm_evaluation_of_f32", {.training = false}, true),
          batch_norm_case("batch_norm_evaluation_relu", {.training = false, .relu = true})};
}

}  // namespace lockstep::testing
