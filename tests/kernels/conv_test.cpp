#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <ostream>

#include "lockstep/core/parallel_for.h"
#include "lockstep/kernels/registry.h"
#include "tests/support/arrays.h"

namespace lockstep::kernels {
namespace {

using testing::Array;

struct Case {
  DType dtype = DType::f32;
  DType gradient_dtype = dtype, bias_dtype = dtype;  // f32 beside halves
  std::int64_t images = 2, height = 6, width = 6, channels = 3, out_channels = 4;
  Window window;
  int below = 0, right = 0;  // padding there beyond that above and on the left
  Activation activation = Activation::none;
  bool has_bias = true;
  Write write = Write::store;
  int threads = 1;
  bool is_depthwise = false;

  std::int64_t out_height() const {
    return (height + 2 * window.pad_height + below - window.height) / window.stride_height + 1;
  }
  std::int64_t out_width() const {
    return (width + 2 * window.pad_width + right - window.width) / window.stride_width + 1;
  }
  std::int64_t depth() const { return is_depthwise ? 1 : channels; }
  std::int64_t taps() const { return std::int64_t{window.height} * window.width; }
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  const Window& w = c.window;
  return out << name_of(c.dtype) << ", weight gradient " << name_of(c.gradient_dtype) << ", bias "
             << name_of(c.bias_dtype) << " x [" << c.images << ", " << c.height << ", " << c.width
             << ", " << c.channels << "] weight [" << c.out_channels << ", " << w.height << ", "
             << w.width << ", " << c.depth() << "] stride " << w.stride_height << "x"
             << w.stride_width << " pad " << w.pad_height << "x" << w.pad_width << " +" << c.below
             << "x" << c.right << " activation " << static_cast<int>(c.activation) << " bias "
             << c.has_bias << " write " << static_cast<int>(c.write) << " threads " << c.threads;
}

double activated(Activation activation, double x) {
  if (activation == Activation::relu) return x < 0 ? 0 : x;
  return activation == Activation::tanh ? std::tanh(x) : x;
}
double slope(Activation activation, double y) {
  if (activation == Activation::relu) return y > 0 ? 1 : 0;
  return activation == Activation::tanh ? 1 - y * y : 1;
}

// The arrays of a convolution, and its passes by their definition in double precision.
struct Arrays {
  Case c;
  std::mt19937 start;
  std::int64_t offset;
  Array x, weight, dweight, bias, y, g;

  Arrays(const Case& of, std::mt19937& random, std::int64_t from)
      : c(of), start(random), offset(from) {
    const testing::Layout layout{.offset = offset};
    x = Array(c.dtype, {c.images, c.height, c.width, c.channels}, layout);
    weight = Array(c.dtype, {c.out_channels, c.window.height, c.window.width, c.depth()}, layout);
    dweight = Array(c.gradient_dtype, weight.view().sizes, layout);
    bias = Array(c.bias_dtype, {c.out_channels}, layout);
    y = Array(c.dtype, {c.images, c.out_height(), c.out_width(), c.out_channels}, layout);
    g = Array(c.dtype, y.view().sizes, layout);
    for (Array* array : {&x, &weight, &dweight, &bias, &y, &g}) array->fill_random(random, -1, 1);
  }

  // Other memory with the content that this one began with.
  Arrays again() const {
    std::mt19937 random = start;
    return Arrays(c, random, offset);
  }

  ConvCall call(ConvPass pass) const {
    ConvCall call{
        .pass = pass, .write = c.write, .bias_write = c.write, .activation = c.activation};
    call.x = x.view();
    call.weight = (pass == ConvPass::weight ? dweight : weight).view();
    if (c.has_bias) call.bias = bias.view();
    if (pass == ConvPass::value || c.activation != Activation::none) call.y = y.view();
    if (pass != ConvPass::value) call.g = g.view();
    call.window = c.window;
    return call;
  }

  // f(x element, weight element, y element) for every product.
  template <class F> void for_products(const F& f) const {
    const Window& w = c.window;
    for (std::int64_t n = 0; n < c.images; ++n) {
      for (std::int64_t oy = 0; oy < c.out_height(); ++oy) {
        for (std::int64_t ox = 0; ox < c.out_width(); ++ox) {
          for (int ky = 0; ky < w.height; ++ky) {
            for (int kx = 0; kx < w.width; ++kx) {
              const std::int64_t iy = oy * w.stride_height - w.pad_height + ky;
              const std::int64_t ix = ox * w.stride_width - w.pad_width + kx;
              if (iy < 0 || ix < 0 || iy >= c.height || ix >= c.width) continue;
              const std::int64_t in = ((n * c.height + iy) * c.width + ix) * c.channels;
              const std::int64_t out =
                  ((n * c.out_height() + oy) * c.out_width() + ox) * c.out_channels;
              for (std::int64_t o = 0; o < c.out_channels; ++o) {
                const std::int64_t tap = ((o * w.height + ky) * w.width + kx) * c.depth();
                const std::int64_t first = in + (c.is_depthwise ? o : 0);
                for (std::int64_t i = 0; i < c.depth(); ++i) f(first + i, tap + i, out + o);
              }
            }
          }
        }
      }
    }
  }
};

std::vector<double> before(const Array& array, Write write) {
  return write == Write::add ? array.values()
                             : std::vector<double>(static_cast<std::size_t>(array.count()));
}

std::vector<double> expected_value(const Arrays& a) {
  std::vector<double> sums(static_cast<std::size_t>(a.y.count()));
  const std::vector<double> x = a.x.values(), weight = a.weight.values(), bias = a.bias.values();
  a.for_products([&](auto in, auto tap, auto out) {
    sums[static_cast<std::size_t>(out)] +=
        x[static_cast<std::size_t>(in)] * weight[static_cast<std::size_t>(tap)];
  });
  for (std::size_t i = 0; i < sums.size(); ++i) {
    if (a.c.has_bias) sums[i] += bias[i % bias.size()];
    sums[i] = activated(a.c.activation, sums[i]);
  }
  return sums;
}

std::vector<double> expected_slope(const Arrays& a) {
  std::vector<double> g = a.g.values();
  const std::vector<double> y = a.y.values();
  for (std::size_t i = 0; i < g.size(); ++i) g[i] *= slope(a.c.activation, y[i]);
  return g;
}

std::vector<double> expected_data(const Arrays& a) {
  std::vector<double> sums = before(a.x, a.c.write);
  const std::vector<double> g = expected_slope(a), weight = a.weight.values();
  a.for_products([&](auto in, auto tap, auto out) {
    sums[static_cast<std::size_t>(in)] +=
        g[static_cast<std::size_t>(out)] * weight[static_cast<std::size_t>(tap)];
  });
  return sums;
}

std::vector<double> expected_weight(const Arrays& a) {
  std::vector<double> sums = before(a.dweight, a.c.write);
  const std::vector<double> g = expected_slope(a), x = a.x.values();
  a.for_products([&](auto in, auto tap, auto out) {
    sums[static_cast<std::size_t>(tap)] +=
        g[static_cast<std::size_t>(out)] * x[static_cast<std::size_t>(in)];
  });
  return sums;
}

std::vector<double> expected_bias(const Arrays& a) {
  std::vector<double> sums = before(a.bias, a.c.write);
  const std::vector<double> g = expected_slope(a);
  for (std::size_t i = 0; i < g.size(); ++i) sums[i % sums.size()] += g[i];
  return sums;
}

void expect_near(const Array& got, const std::vector<double>& want, std::int64_t depth,
                 const char* what, DType rounding) {
  ASSERT_EQ(static_cast<std::size_t>(got.count()), want.size());
  for (std::int64_t i = 0; i < got.count(); ++i) {
    const double wanted = want[static_cast<std::size_t>(i)];
    ASSERT_NEAR(got.at(i), wanted, testing::tolerance(rounding, depth, wanted))
        << what << " element " << i;
  }
}

void expect_near(const Array& got, const std::vector<double>& want, std::int64_t depth,
                 const char* what) {
  expect_near(got, want, depth, what, got.dtype());
}

void run(const ConvCall& call) { backend({}).conv(call, core::current_stream({})); }

void check_all_passes(Arrays& a) {
  SCOPED_TRACE(::testing::Message() << a.c);
  const std::int64_t pixels = a.c.images * a.c.out_height() * a.c.out_width();
  // Halves of the gradient before an activation are rounded, where its slope is not 0 or 1.
  const bool is_rounded = a.c.activation == Activation::tanh;
  const auto expect_sums = [&](const Array& got, const std::vector<double>& want,
                               const char* what) {
    expect_near(got, want, pixels, what, is_rounded ? a.c.dtype : got.dtype());
  };
  const std::vector<double> dx = expected_data(a), dw = expected_weight(a), db = expected_bias(a);
  Arrays data = a.again(), weight = a.again();
  run(data.call(ConvPass::data));
  expect_near(data.x, dx, a.c.taps() * a.c.out_channels, "data");
  run(weight.call(ConvPass::weight));
  expect_sums(weight.dweight, dw, "weight");
  if (a.c.has_bias) expect_sums(weight.bias, db, "bias");
  const std::vector<double> y = expected_value(a);
  ConvCall call = a.call(ConvPass::value);
  call.write = Write::store;
  run(call);
  expect_near(a.y, y, a.c.taps() * a.c.channels, "value");
}

int pick(std::mt19937& random, std::initializer_list<int> choices) {
  return choices.begin()[std::uniform_int_distribution<std::size_t>(0, choices.size() - 1)(random)];
}

Case random_case(std::mt19937& random) {
  for (;;) {
    Case c;
    c.dtype = std::initializer_list<DType>{DType::f64, DType::f32, DType::bf16, DType::f16}
                  .begin()[pick(random, {0, 1, 1, 2, 2, 3})];
    const bool is_half = is_half_precision(c.dtype);
    c.gradient_dtype = is_half && pick(random, {0, 1}) == 1 ? DType::f32 : c.dtype;
    c.bias_dtype = is_half && pick(random, {0, 1}) == 1 ? DType::f32 : c.dtype;
    c.images = pick(random, {1, 2, 3, 7});
    c.height = pick(random, {1, 2, 3, 4, 5, 7, 8, 9, 12});
    c.width = pick(random, {1, 2, 3, 4, 5, 7, 8, 11, 14});
    c.channels = pick(random, {1, 1, 2, 3, 5, 8, 16, 17, 32});
    c.out_channels = pick(random, {1, 2, 5, 8, 15, 16, 17, 32, 33, 48, 64});
    c.window = {pick(random, {1, 2, 3, 3, 5, 7}), pick(random, {1, 2, 3, 3, 5, 7}),
                pick(random, {1, 1, 2, 3}),       pick(random, {1, 1, 2, 3}),
                pick(random, {0, 1, 2, 3}),       pick(random, {0, 1, 2, 3})};
    c.activation =
        std::initializer_list<Activation>{Activation::none, Activation::relu, Activation::tanh}
            .begin()[pick(random, {0, 1, 2})];
    c.has_bias = pick(random, {0, 1}) == 1;
    c.write = pick(random, {0, 1}) == 0 ? Write::store : Write::add;
    c.threads = pick(random, {1, 1, 3});
    c.below = pick(random, {-1, 0, 0, 1});
    c.right = pick(random, {-1, 0, 0, 1});
    if (c.height + 2 * c.window.pad_height + c.below >= c.window.height &&
        c.width + 2 * c.window.pad_width + c.right >= c.window.width &&
        c.window.pad_height + c.below >= 0 && c.window.pad_width + c.right >= 0) {
      return c;
    }
  }
}

class Convolution : public ::testing::Test {
 protected:
  void TearDown() override { core::use_threads(1); }
  std::mt19937 random_{7};
};

TEST_F(Convolution, AgreesWithItsDefinitionOnRandomShapes) {
  for (int i = 0; i < 220; ++i) {
    Arrays arrays(random_case(random_), random_, pick(random_, {0, 0, 1}));
    core::use_threads(arrays.c.threads);
    check_all_passes(arrays);
    if (HasFatalFailure()) return;
  }
}

TEST_F(Convolution, OfEachChannelByItselfAgreesWithItsDefinitionOnRandomShapes) {
  for (int i = 0; i < 150; ++i) {
    Case c = random_case(random_);
    c.channels = c.out_channels = pick(random_, {2, 3, 8, 16, 17, 33, 64});
    c.is_depthwise = true;
    Arrays arrays(c, random_, pick(random_, {0, 0, 1}));
    core::use_threads(c.threads);
    check_all_passes(arrays);
    if (HasFatalFailure()) return;
  }
}

TEST_F(Convolution, OfEachChannelByItselfHasTheSameBitsOnAnyThreadsExact) {
  Case c{.images = 5, .channels = 37, .out_channels = 37};
  c.window = {3, 3, 1, 1, 1, 1};
  c.activation = Activation::tanh;
  c.is_depthwise = true;
  const Arrays start(c, random_, 0);
  std::vector<std::uint8_t> alone[3];
  for (const int threads : {1, 2, 3}) {
    core::use_threads(threads);
    Arrays value = start.again(), data = start.again(), weight = start.again();
    run(value.call(ConvPass::value));
    run(data.call(ConvPass::data));
    run(weight.call(ConvPass::weight));
    const std::vector<std::uint8_t> results[3] = {value.y.bytes(), data.x.bytes(),
                                                  weight.weight.bytes()};
    for (int k = 0; k < 3; ++k) {
      if (threads == 1) alone[k] = results[k];
      EXPECT_EQ(results[k], alone[k]);
    }
  }
}

TEST_F(Convolution, AgreesWithItsDefinitionOnTheShapesOfCommonNetworks) {
  const Case cases[] = {
      {.height = 28, .width = 28, .channels = 1, .out_channels = 32, .window = {3, 3, 1, 1, 1, 1}},
      {.height = 14, .width = 14, .channels = 32, .out_channels = 64, .window = {3, 3, 1, 1, 1, 1}},
      {.images = 3,
       .height = 4,
       .width = 4,
       .channels = 40,
       .out_channels = 96,
       .window = {3, 3, 1, 1, 1, 1}},
      {.height = 30, .width = 30, .channels = 3, .out_channels = 64, .window = {7, 7, 2, 2, 3, 3}},
      {.height = 9, .width = 9, .channels = 64, .out_channels = 32, .window = {1, 1, 2, 2, 0, 0}},
  };
  for (Case c : cases) {
    c.activation = Activation::relu;
    for (const DType dtype : {DType::f32, DType::bf16}) {
      c.dtype = dtype;
      Arrays arrays(c, random_, 0);
      check_all_passes(arrays);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_F(Convolution, OfNoImagesGivesZeroWeightGradients) {
  Arrays arrays({.images = 0}, random_, 0);
  run(arrays.call(ConvPass::value));
  run(arrays.call(ConvPass::data));
  run(arrays.call(ConvPass::weight));
  for (const double value : arrays.dweight.values()) EXPECT_EQ(value, 0);
  for (const double value : arrays.bias.values()) EXPECT_EQ(value, 0);
}

TEST_F(Convolution, LetsNanThroughRelu) {
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16, DType::f16}) {
    Arrays arrays({.dtype = dtype, .window = {3, 3, 1, 1, 1, 1}, .activation = Activation::relu},
                  random_, 0);
    arrays.x.set(0, std::nan(""));
    run(arrays.call(ConvPass::value));
    EXPECT_TRUE(std::isnan(arrays.y.at(0))) << name_of(dtype);
    EXPECT_FALSE(std::isnan(arrays.y.at(arrays.y.count() - 1))) << name_of(dtype);
  }
}

TEST_F(Convolution, RepacksKeptWeightsWhenTheirVersionChanges) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    Arrays arrays({.dtype = dtype, .window = {3, 3, 1, 1, 1, 1}}, random_, 0);
    for (std::uint64_t version = 1; version < 4; ++version) {
      arrays.weight.fill_random(random_, -1, 1);
      for (int repeat = 0; repeat < 2; ++repeat) {
        ConvCall value = arrays.call(ConvPass::value), data = arrays.call(ConvPass::data);
        Array dx(dtype, arrays.x.view().sizes);
        value.weight_key = data.weight_key = 12345;
        value.weight_version = data.weight_version = version;
        run(value);
        expect_near(arrays.y, expected_value(arrays), 27, "value");
        data.x = dx.view();
        run(data);
        expect_near(dx, expected_data(arrays), 36, "data");
      }
    }
  }
}

TEST_F(Convolution, RepeatsItsBitsExactly) {
  for (const int threads : {1, 2, 3}) {
    core::use_threads(threads);
    Arrays first({.images = 5, .channels = 8, .out_channels = 20, .window = {3, 3, 1, 1, 1, 1}},
                 random_, 0);
    Arrays second = first.again();
    for (const ConvPass pass : {ConvPass::value, ConvPass::data, ConvPass::weight}) {
      run(first.call(pass));
      run(second.call(pass));
    }
    EXPECT_EQ(first.y.bytes(), second.y.bytes());
    EXPECT_EQ(first.x.bytes(), second.x.bytes());
    EXPECT_EQ(first.dweight.bytes(), second.dweight.bytes());
  }
}

}  // namespace
}  // namespace lockstep::kernels
