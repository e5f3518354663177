#include <gtest/gtest.h>

#include <cmath>

#include "lockstep/core/parallel_for.h"
#include "lockstep/kernels/registry.h"
#include "tests/support/random_views.h"

namespace lockstep::kernels {
namespace {

using testing::Array;
using testing::is_near;
using testing::tolerance_of;

void run(const BatchNormCall& call) { backend({}).batch_norm(call, core::current_stream({})); }

// All that a batch-norm call reads and writes; parameters are f32 beside halves.
struct Layer {
  std::int64_t rows, channels;
  DType dtype, parameters;
  Array x, y, g, weight, bias, running_mean, running_variance, mean, inverse_deviation, dx, dweight,
      dbias;
  BatchNormCall call;

  Layer(DType of, std::int64_t row_count, std::int64_t channel_count, std::mt19937& generator,
        double centre = 0)
      : rows(row_count),
        channels(channel_count),
        dtype(of),
        parameters(of == DType::f64 ? of : DType::f32) {
    for (Array* each : {&x, &y, &g, &dx}) *each = Array(dtype, {rows, channels});
    for (Array* each : {&weight, &bias, &running_mean, &running_variance, &mean, &inverse_deviation,
                        &dweight, &dbias}) {
      *each = Array(parameters, {channels});
      each->fill_random(generator, 0.5, 1.5);
    }
    for (Array* each : {&x, &g, &dx}) each->fill_random(generator, centre - 2, centre + 2);
    call.x = x.view(), call.y = y.view(), call.g = g.view();
    call.weight = weight.view(), call.bias = bias.view();
    call.running_mean = running_mean.view(), call.running_variance = running_variance.view();
    call.mean = mean.view(), call.inverse_deviation = inverse_deviation.view();
    call.dx = dx.view(), call.dweight = dweight.view(), call.dbias = dbias.view();
  }
  double x_at(std::int64_t r, std::int64_t c) const { return x.at(r * channels + c); }
  double mean_of(std::int64_t c) const {
    double sum = 0;
    for (std::int64_t r = 0; r < rows; ++r) sum += x_at(r, c);
    return sum / static_cast<double>(rows);
  }
  double variance_of(std::int64_t c) const {
    const double mean_value = mean_of(c);
    double sum = 0;
    for (std::int64_t r = 0; r < rows; ++r) sum += std::pow(x_at(r, c) - mean_value, 2);
    return sum / static_cast<double>(rows);
  }
};

constexpr std::int64_t shapes[][2] = {{1, 1},   {2, 3},   {7, 1},   {50, 10},
                                      {33, 64}, {9, 130}, {500, 5}, {3000, 32}};

TEST(BatchNorm, TrainingNormalisesAndMovesTheRunningValues) {
  std::mt19937 generator(1);
  for (const DType dtype : {DType::f64, DType::f32, DType::f16, DType::bf16}) {
    for (const auto& [rows, channels] : shapes) {
      for (const bool relu : {false, true}) {
        Layer layer(dtype, rows, channels, generator);
        layer.call.relu = relu;
        const Array old_mean = layer.running_mean, old_variance = layer.running_variance;
        const auto before_mean = old_mean.values(), before_variance = old_variance.values();
        run(layer.call);
        const double of = tolerance_of(dtype), parameter = tolerance_of(layer.parameters);
        for (std::int64_t c = 0; c < channels; ++c) {
          const double mean = layer.mean_of(c), variance = layer.variance_of(c);
          const double inverse = 1 / std::sqrt(variance + 1e-5);
          EXPECT_NEAR(layer.mean.at(c), mean, parameter);
          // Where all elements are equal, what is left of the variance is multiplied by 1 /
          // sqrt(epsilon).
          const double slack = rows > 2 ? 8 * parameter : 1;
          EXPECT_NEAR(layer.inverse_deviation.at(c) / inverse, 1, slack);
          const auto i = static_cast<std::size_t>(c);
          EXPECT_NEAR(layer.running_mean.at(c), 0.9 * before_mean[i] + 0.1 * mean, 2 * parameter);
          const double unbiased =
              rows > 1 ? variance * static_cast<double>(rows) / static_cast<double>(rows - 1)
                       : variance;
          EXPECT_NEAR(layer.running_variance.at(c), 0.9 * before_variance[i] + 0.1 * unbiased,
                      2 * parameter);
          for (std::int64_t r = 0; r < rows; ++r) {
            double y = (layer.x_at(r, c) - mean) * inverse * layer.weight.at(c) + layer.bias.at(c);
            if (relu) y = std::max(0.0, y);
            ASSERT_TRUE(is_near(layer.y.at(r * channels + c), y, 3 * of))
                << name_of(dtype) << rows << "x" << channels;
          }
        }
      }
    }
  }
}

TEST(BatchNorm, EvaluationUsesTheRunningValues) {
  std::mt19937 generator(2);
  Layer layer(DType::f32, 40, 12, generator);
  layer.call.training = false;
  const auto before = layer.running_mean.bytes();
  run(layer.call);
  EXPECT_EQ(layer.running_mean.bytes(), before);
  for (std::int64_t i = 0; i < layer.y.count(); ++i) {
    const std::int64_t c = i % 12;
    const double inverse = 1 / std::sqrt(layer.running_variance.at(c) + 1e-5);
    const double y = (layer.x.at(i) - layer.running_mean.at(c)) * inverse * layer.weight.at(c) +
                     layer.bias.at(c);
    EXPECT_NEAR(layer.y.at(i), y, 5e-6);
  }
}

TEST(BatchNorm, TheVarianceOfALargeMeanIsRight) {
  std::mt19937 generator(3);
  Layer layer(DType::f32, 20000, 3, generator, 10000);
  run(layer.call);
  for (std::int64_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(layer.mean.at(c), layer.mean_of(c), 1e-3);
    EXPECT_NEAR(layer.inverse_deviation.at(c) * std::sqrt(layer.variance_of(c) + 1e-5), 1, 1e-5);
  }
}

TEST(BatchNorm, SlopesAgreeWithTheirDefinition) {
  std::mt19937 generator(4);
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16}) {
    for (const auto& [rows, channels] : shapes) {
      for (const bool training : {true, false}) {
        for (const bool relu : {false, true}) {
          Layer layer(dtype, rows, channels, generator);
          layer.y.fill_random(generator);
          layer.call.pass = Pass::slope;
          layer.call.training = training;
          layer.call.relu = relu;
          layer.call.write_x = layer.call.write_bias = Write::add;
          const auto dx_before = layer.dx.values(), dbias_before = layer.dbias.values();
          run(layer.call);
          const auto n = static_cast<double>(rows);
          for (std::int64_t c = 0; c < channels; ++c) {
            const double mean = layer.mean.at(c), inverse = layer.inverse_deviation.at(c),
                         weight = layer.weight.at(c);
            double sum = 0, product = 0;
            const auto g_at = [&](std::int64_t i) {
              return relu && !(layer.y.at(i) > 0) ? 0 : layer.g.at(i);
            };
            for (std::int64_t i = c; i < rows * channels; i += channels) {
              sum += g_at(i);
              product += g_at(i) * (layer.x.at(i) - mean) * inverse;
            }
            const double slack = tolerance_of(layer.parameters) * (4 + n);
            EXPECT_NEAR(layer.dweight.at(c), product, slack * 4);
            EXPECT_NEAR(layer.dbias.at(c), dbias_before[static_cast<std::size_t>(c)] + sum,
                        slack * 2);
            for (std::int64_t i = c; i < rows * channels; i += channels) {
              const double normalised = (layer.x.at(i) - mean) * inverse;
              const double about = training ? (sum + normalised * product) / n : 0;
              const double dx =
                  dx_before[static_cast<std::size_t>(i)] + weight * inverse * (g_at(i) - about);
              ASSERT_TRUE(is_near(layer.dx.at(i), dx, 10 * tolerance_of(dtype)))
                  << layer.dx.at(i) << " " << dx;
            }
          }
        }
      }
    }
  }
}

TEST(BatchNorm, UnwantedGradientsMayHaveNoData) {
  std::mt19937 generator(5);
  Layer layer(DType::f32, 20, 4, generator);
  layer.call.pass = Pass::slope;
  layer.call.dx.data = nullptr;
  layer.call.dbias.data = nullptr;
  run(layer.call);
  EXPECT_EQ(layer.dweight.at(0), layer.dweight.at(0));
}

TEST(BatchNorm, NanReachesItsChannelOnly) {
  std::mt19937 generator(6);
  for (const bool relu : {false, true}) {
    Layer layer(DType::f32, 30, 5, generator);
    layer.call.relu = relu;
    layer.x.set(7, std::numeric_limits<double>::quiet_NaN());
    layer.call.x = layer.x.view();
    run(layer.call);
    for (std::int64_t i = 0; i < layer.y.count(); ++i)
      EXPECT_EQ(layer.y.at(i) != layer.y.at(i), i % 5 == 2);
  }
}

TEST(BatchNorm, BitsDoNotDependOnTheNumberOfThreadsExact) {
  std::mt19937 generator(7);
  std::vector<std::uint8_t> y, dx, dweight;
  const Layer start(DType::f32, 30000, 9, generator);
  for (const int threads : {1, 2, 3}) {
    core::use_threads(threads);
    std::mt19937 same(8);
    Layer layer(DType::f32, 30000, 9, same);
    run(layer.call);
    layer.call.pass = Pass::slope;
    run(layer.call);
    if (threads == 1) y = layer.y.bytes(), dx = layer.dx.bytes(), dweight = layer.dweight.bytes();
    EXPECT_EQ(layer.y.bytes(), y);
    EXPECT_EQ(layer.dx.bytes(), dx);
    EXPECT_EQ(layer.dweight.bytes(), dweight);
  }
  core::use_threads(1);
}

}  // namespace
}  // namespace lockstep::kernels
