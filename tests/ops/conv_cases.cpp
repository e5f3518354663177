#include <cmath>
#include <limits>

#include "lockstep/ops/conv.h"
#include "tests/support/op_cases.h"

namespace lockstep::testing {
namespace {

std::int64_t positions(std::int64_t size, int window, int stride) {
  return (size - window) / stride + 1;
}

// The result's sizes for images x with their padding.
Shape positions(const Shape& x, Extent window, Extent stride, const Padding& padding,
                std::int64_t channels) {
  const Extent before = padding.before, after = padding.after;
  return {x[0], positions(before.height + x[1] + after.height, window.height, stride.height),
          positions(before.width + x[2] + after.width, window.width, stride.width), channels};
}

// Calls f(y offset, x position or -1 in the padding, kernel row, kernel column) for all windows.
template <class F>
void for_windows(const Shape& x, const Shape& y, Extent window, Extent stride, Extent padding,
                 const F& f) {
  for (std::int64_t n = 0; n < y[0]; ++n) {
    for (std::int64_t oh = 0; oh < y[1]; ++oh) {
      for (std::int64_t ow = 0; ow < y[2]; ++ow) {
        for (int kh = 0; kh < window.height; ++kh) {
          for (int kw = 0; kw < window.width; ++kw) {
            const std::int64_t h = oh * stride.height + kh - padding.height;
            const std::int64_t w = ow * stride.width + kw - padding.width;
            const bool is_inside = h >= 0 && w >= 0 && h < x[1] && w < x[2];
            f((n * y[1] + oh) * y[2] + ow, is_inside ? (n * x[1] + h) * x[2] + w : -1, kh, kw);
          }
        }
      }
    }
  }
}

// The kernel with zeros between its taps.
Dense spread(const Dense& weight, Extent dilation) {
  const Shape& s = weight.shape;
  Dense wide({s[0], (s[1] - 1) * dilation.height + 1, (s[2] - 1) * dilation.width + 1, s[3]});
  for (std::int64_t i = 0; i < weight.size(); ++i) {
    const auto at = position_of(i, s);
    wide.at({at[0], at[1] * dilation.height, at[2] * dilation.width, at[3]}) = weight[i];
  }
  return wide;
}

Dense convolved(const std::vector<Dense>& in, const Conv2dOptions& options) {
  const Dense& x = in[0];
  const Dense weight = spread(in[1], options.dilation);
  const Extent window{static_cast<int>(weight.shape[1]), static_cast<int>(weight.shape[2])};
  const std::int64_t channels = x.shape[3], out = weight.shape[0], depth = weight.shape[3];
  Dense y(positions(x.shape, window, options.stride, options.padding, out));
  for (std::int64_t i = 0; i < y.size() && in.size() > 2; ++i) y[i] = in[2][i % out];
  for_windows(x.shape, y.shape, window, options.stride, options.padding.before,
              [&](std::int64_t to, std::int64_t from, int kh, int kw) {
                for (std::int64_t o = 0; o < out && from >= 0; ++o) {
                  const std::int64_t first = o / (out / options.groups) * depth;
                  for (std::int64_t c = 0; c < depth; ++c) {
                    y[to * out + o] += x[from * channels + first + c] * weight.at({o, kh, kw, c});
                  }
                }
              });
  for (double& value : y.values) {
    if (options.activation == Activation::relu) value = value < 0 ? 0 : value;
    if (options.activation == Activation::tanh) value = std::tanh(value);
    if (options.activation == Activation::sigmoid) value = 1 / (1 + std::exp(-value));
    if (options.activation == Activation::gelu) {
      value *= 0.5 * (1 + std::tanh(std::sqrt(2 / M_PI) * (value + 0.044715 * std::pow(value, 3))));
    }
  }
  return y;
}

OpCase conv_case(const char* name, const Conv2dOptions& options, Bias bias,
                 const std::vector<Shape>& images, const Shape& kernel) {
  const auto of = [=](const Shape& x, const Shape& weight) {
    Arguments all = {{x}, {weight}};
    if (bias != Bias::none) all.push_back({{weight[0]}, Kind::real, -2, 2, bias == Bias::f32});
    return all;
  };
  OpCase row = {
      .name = name,
      .op = "conv2d",
      .call =
          [=](const Tensors& in) {
            return conv2d(in[0], in[1], bias != Bias::none ? in[2] : Tensor(), options);
          },
      .reference = [=](const std::vector<Dense>& in) { return convolved(in, options); },
      .inputs = {},
      .empty = of({0, images[0][1], images[0][2], images[0][3]}, kernel),
      .random =
          [=](std::mt19937& generator) {
            const int groups = options.groups;
            const std::int64_t depth = groups > 1 ? kernel[3] : random_size(generator);
            const std::int64_t out = groups > 1 ? kernel[0] : random_size(generator);
            const std::int64_t high = kernel[1] * options.dilation.height + random_size(generator);
            const std::int64_t wide = kernel[2] * options.dilation.width + random_size(generator);
            return of({random_size(generator, 3), high, wide, groups * depth},
                      {out, kernel[1], kernel[2], depth});
          }};
  for (const Shape& each : images) row.inputs.push_back(of(each, kernel));
  return row;
}

OpCase conv_transpose_case(const char* name, const ConvTranspose2dOptions& options, bool has_bias,
                           const std::vector<Shape>& images, const Shape& kernel) {
  const auto of = [=](const Shape& x, const Shape& weight) {
    Arguments all = {{x}, {weight}};
    if (has_bias) all.push_back({{weight[3]}});
    return all;
  };
  const auto reference = [=](const std::vector<Dense>& in) {
    const Shape &x = in[0].shape, &k = in[1].shape;
    const Extent before = options.padding.before, after = options.padding.after;
    Dense y({x[0], (x[1] - 1) * options.stride.height + k[1] - before.height - after.height,
             (x[2] - 1) * options.stride.width + k[2] - before.width - after.width, k[3]});
    for (std::int64_t i = 0; i < y.size() && in.size() > 2; ++i) y[i] = in[2][i % k[3]];
    for (std::int64_t i = 0; i < in[0].size(); ++i) {
      const auto at = position_of(i, x);
      for (std::int64_t j = 0; j < k[1] * k[2] * k[3]; ++j) {
        const auto tap = position_of(j, {k[1], k[2], k[3]});
        const std::int64_t h = at[1] * options.stride.height + tap[0] - before.height;
        const std::int64_t w = at[2] * options.stride.width + tap[1] - before.width;
        if (h < 0 || w < 0 || h >= y.shape[1] || w >= y.shape[2]) continue;
        y.at({at[0], h, w, tap[2]}) += in[0][i] * in[1].at({at[3], tap[0], tap[1], tap[2]});
      }
    }
    for (double& value : y.values) {
      if (options.activation == Activation::tanh) value = std::tanh(value);
    }
    return y;
  };
  OpCase row = {.name = name,
                .op = "conv_transpose2d",
                .call =
                    [=](const Tensors& in) {
                      return conv_transpose2d(in[0], in[1], has_bias ? in[2] : Tensor(), options);
                    },
                .reference = reference,
                .inputs = {},
                .empty = of({0, images[0][1], images[0][2], kernel[0]}, kernel),
                .random =
                    [=](std::mt19937& generator) {
                      const std::int64_t channels = random_size(generator);
                      return of({random_size(generator, 3), 1 + random_size(generator),
                                 1 + random_size(generator), channels},
                                {channels, kernel[1], kernel[2], random_size(generator)});
                    }};
  for (const Shape& each : images) row.inputs.push_back(of(each, kernel));
  return row;
}

Dense pooled(const Dense& x, const PoolOptions& options, bool is_maximum) {
  const Extent window = options.window;
  const Extent stride{options.stride.height > 0 ? options.stride.height : window.height,
                      options.stride.width > 0 ? options.stride.width : window.width};
  const std::int64_t channels = x.shape[3];
  Dense y(positions(x.shape, window, stride, options.padding, channels),
          is_maximum ? -std::numeric_limits<double>::infinity() : 0);
  std::vector<double> area(static_cast<std::size_t>(y.size() / channels));
  for_windows(x.shape, y.shape, window, stride, options.padding.before,
              [&](std::int64_t to, std::int64_t from, int, int) {
                if (options.counts_padding || from >= 0) ++area[static_cast<std::size_t>(to)];
              });
  for_windows(x.shape, y.shape, window, stride, options.padding.before,
              [&](std::int64_t to, std::int64_t from, int, int) {
                for (std::int64_t c = 0; c < channels && from >= 0; ++c) {
                  double& result = y[to * channels + c];
                  const double value = x[from * channels + c];
                  result = is_maximum ? std::max(result, value)
                                      : result + value / area[static_cast<std::size_t>(to)];
                }
              });
  return y;
}

OpCase pool_case(const char* name, const PoolOptions& options, bool is_maximum) {
  const auto of = [](const Shape& x) { return Arguments{{x}}; };
  return {
      .name = name,
      .op = is_maximum ? "max_pool2d" : "avg_pool2d",
      .call =
          [=](const Tensors& in) {
            return is_maximum ? max_pool2d(in[0], options) : avg_pool2d(in[0], options);
          },
      .reference = [=](const std::vector<Dense>& in) { return pooled(in[0], options, is_maximum); },
      .inputs = {of({1, 4, 4, 1}), of({2, 5, 7, 3}), of({1, 6, 6, 17}), of({3, 4, 5, 16})},
      .empty = of({0, 4, 4, 2}),
      .random =
          [=](std::mt19937& generator) {
            return of({random_size(generator, 3), 3 + random_size(generator),
                       3 + random_size(generator), random_size(generator)});
          }};
}

OpCase pad_case(const char* name, const Pad2dOptions& options) {
  const auto of = [](const Shape& x) { return Arguments{{x}}; };
  return {.name = name,
          .op = "pad2d",
          .call = [=](const Tensors& in) { return pad2d(in[0], options); },
          .reference =
              [=](const std::vector<Dense>& in) {
                const Shape& sizes = in[0].shape;
                Dense y({sizes[0], options.before.height + sizes[1] + options.after.height,
                         options.before.width + sizes[2] + options.after.width, sizes[3]},
                        options.value);
                for (std::int64_t i = 0; i < in[0].size(); ++i) {
                  const auto at = position_of(i, sizes);
                  y.at({at[0], at[1] + options.before.height, at[2] + options.before.width,
                        at[3]}) = in[0][i];
                }
                return y;
              },
          .inputs = {of({1, 1, 1, 1}), of({2, 3, 4, 3}), of({1, 5, 2, 17})},
          .empty = of({0, 4, 4, 2}),
          .random = [=](std::mt19937& generator) { return of(random_shape(generator, 4, 4)); }};
}

}  // namespace

std::vector<OpCase> conv_cases() {
  std::vector<OpCase> all = {
      conv_case("conv2d", {}, Bias::alike, {{1, 3, 3, 2}, {2, 5, 4, 2}}, {3, 3, 2, 2}),
      conv_case("conv2d_one_element", {}, Bias::alike, {{1, 1, 1, 1}}, {1, 1, 1, 1}),
      conv_case("conv2d_padded", {.padding = 1}, Bias::none, {{2, 4, 5, 3}, {1, 1, 1, 3}},
                {4, 3, 3, 3}),
      conv_case("conv2d_unevenly_padded", {.stride = 2, .padding = {{0, 2}, {1, 0}}}, Bias::alike,
                {{2, 4, 5, 3}}, {4, 3, 2, 3}),
      conv_case("conv2d_strided", {.stride = {2, 3}, .padding = {1, 0}}, Bias::alike,
                {{2, 6, 7, 2}}, {3, 3, 2, 2}),
      conv_case("conv2d_relu", {.padding = 1, .activation = Activation::relu}, Bias::alike,
                {{2, 4, 4, 1}}, {16, 3, 3, 1}),
      conv_case("conv2d_relu_of_f32_bias", {.padding = 1, .activation = Activation::relu},
                Bias::f32, {{2, 4, 4, 1}}, {16, 3, 3, 1}),
      conv_case("conv2d_gelu", {.activation = Activation::gelu}, Bias::alike, {{2, 4, 4, 2}},
                {3, 2, 2, 2}),
      conv_case("conv2d_tanh", {.activation = Activation::tanh}, Bias::none, {{2, 4, 4, 2}},
                {3, 2, 2, 2}),
      conv_case("conv2d_sigmoid", {.activation = Activation::sigmoid}, Bias::alike, {{2, 4, 4, 2}},
                {3, 2, 2, 2}),
  };
  const std::vector<OpCase> forms = {
      conv_case("conv2d_depthwise", {.padding = 1, .groups = 3}, Bias::alike,
                {{2, 4, 5, 3}, {1, 3, 3, 3}}, {3, 3, 3, 1}),
      conv_case("conv2d_depthwise_strided",
                {.stride = {2, 1}, .padding = {{0, 1}, {1, 0}}, .groups = 35}, Bias::none,
                {{3, 5, 4, 35}}, {35, 2, 3, 1}),
      conv_case("conv2d_depthwise_tanh", {.groups = 17, .activation = Activation::tanh},
                Bias::alike, {{2, 4, 4, 17}}, {17, 2, 2, 1}),
      conv_case("conv2d_depthwise_multiplied", {.groups = 3}, Bias::alike, {{2, 4, 4, 3}},
                {6, 2, 2, 1}),
      conv_case("conv2d_grouped", {.padding = 1, .groups = 2, .activation = Activation::relu},
                Bias::alike, {{2, 4, 4, 6}}, {4, 3, 3, 3}),
      conv_case("conv2d_dilated", {.padding = {{2, 1}, {2, 0}}, .dilation = {2, 3}}, Bias::alike,
                {{2, 5, 6, 2}}, {3, 3, 2, 2}),
      conv_case("conv2d_dilated_depthwise", {.padding = 2, .dilation = 2, .groups = 4}, Bias::none,
                {{1, 5, 4, 4}}, {4, 3, 3, 1}),
      conv_transpose_case("conv_transpose2d", {}, true, {{1, 1, 1, 2}, {2, 3, 4, 2}}, {2, 3, 2, 3}),
      conv_transpose_case("conv_transpose2d_strided", {.stride = 2, .padding = {{0, 0}, {1, 1}}},
                          false, {{2, 3, 4, 2}}, {2, 3, 3, 17}),
      conv_transpose_case(
          "conv_transpose2d_beyond",
          {.stride = 3, .padding = {{0, 0}, {-1, -2}}, .activation = Activation::tanh}, true,
          {{2, 3, 2, 3}}, {3, 2, 1, 2}),
  };
  all.insert(all.end(), forms.begin(), forms.end());
  all.push_back(pool_case("max_pool2d", {}, true));
  all.push_back(
      pool_case("max_pool2d_overlapping", {.window = 3, .stride = 2, .padding = 1}, true));
  all.push_back(pool_case("max_pool2d_unevenly_padded",
                          {.window = 2, .stride = 1, .padding = {{0, 1}, {1, 0}}}, true));
  all.push_back(pool_case("avg_pool2d", {}, false));
  all.push_back(pool_case("avg_pool2d_overlapping",
                          {.window = {3, 2}, .stride = {1, 2}, .padding = {1, 0}}, false));
  all.push_back(pool_case(
      "avg_pool2d_within_the_image",
      {.window = {3, 2}, .stride = 2, .padding = {{1, 0}, {0, 1}}, .counts_padding = false},
      false));
  all.push_back(pad_case("pad2d", {.before = {1, 2}, .after = {0, 3}}));
  all.push_back(pad_case("pad2d_of_a_value", {.before = 0, .after = {1, 0}, .value = -1.5}));
  return all;
}

}  // namespace lockstep::testing
