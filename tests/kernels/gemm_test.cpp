#include <gtest/gtest.h>

#include <Eigen/Core>

#include <cmath>
#include <limits>
#include <ostream>

#include "lockstep/core/parallel_for.h"
#include "tests/support/arrays.h"
#include "tests/support/kernel_test.h"

namespace lockstep::kernels {
namespace {

using testing::Array;
using testing::Layout;

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

struct Case {
  DType dtype = DType::f32;
  DType out_dtype = dtype, bias_dtype = dtype;  // f32 beside halves
  std::int64_t batch = 0;                       // 0: no batch axis
  std::int64_t rows = 3, columns = 4, depth = 5;
  bool is_a_turned = false, is_b_turned = false, is_out_turned = false;
  Activation activation = Activation::none;
  bool has_bias = false;
  Write write = Write::store;
  int threads = 1;
  std::int64_t gap = 1;  // between neighbours in memory
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << name_of(c.dtype) << " to " << name_of(c.out_dtype) << ", bias "
             << name_of(c.bias_dtype) << " batch " << c.batch << " [" << c.rows << ", " << c.depth
             << "] [" << c.depth << ", " << c.columns << "] turned " << c.is_a_turned
             << c.is_b_turned << c.is_out_turned << " activation " << static_cast<int>(c.activation)
             << " bias " << c.has_bias << " write " << static_cast<int>(c.write) << " threads "
             << c.threads << " gap " << c.gap;
}

Array matrix(const Case& c, DType dtype, std::int64_t rows, std::int64_t columns, bool is_turned) {
  const Shape sizes = c.batch > 0 ? Shape{c.batch, rows, columns} : Shape{rows, columns};
  Layout layout{.gap = c.gap};
  if (is_turned) layout.order = c.batch > 0 ? std::vector<int>{0, 2, 1} : std::vector<int>{1, 0};
  return Array(dtype, sizes, layout);
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

std::vector<double> expected(const Case& c, const Array& a, const Array& b, const Array& bias,
                             const Array& out) {
  const std::vector<double> left = a.values(), right = b.values();
  std::vector<double> result;
  for (std::int64_t n = 0; n < std::max<std::int64_t>(c.batch, 1); ++n) {
    const Matrix product =
        Eigen::Map<const Matrix>(left.data() + n * c.rows * c.depth, c.rows, c.depth) *
        Eigen::Map<const Matrix>(right.data() + n * c.depth * c.columns, c.depth, c.columns);
    for (std::int64_t i = 0; i < c.rows; ++i) {
      for (std::int64_t j = 0; j < c.columns; ++j) {
        double sum = product(i, j);
        if (c.has_bias) sum += bias.at(j);
        sum = activated(c.activation, sum);
        if (c.write == Write::add) sum += out.at(static_cast<std::int64_t>(result.size()));
        result.push_back(sum);
      }
    }
  }
  return result;
}

class Gemm : public testing::KernelTest {
 protected:
  void TearDown() override { core::use_threads(1); }
  std::mt19937 random_{11};
};
INSTANTIATE_TEST_SUITE_P(Backends, Gemm, testing::all_kernels, testing::name_of);

void check(const Case& c, std::mt19937& random) {
  SCOPED_TRACE(::testing::Message() << c);
  core::use_threads(c.threads);
  Array a = matrix(c, c.dtype, c.rows, c.depth, c.is_a_turned),
        b = matrix(c, c.dtype, c.depth, c.columns, c.is_b_turned);
  Array out = matrix(c, c.out_dtype, c.rows, c.columns, c.is_out_turned),
        bias(c.bias_dtype, {c.columns});
  for (Array* array : {&a, &b, &out, &bias}) array->fill_random(random, -1, 1);
  const std::vector<double> want = expected(c, a, b, bias, out);
  GemmCall call{.write = c.write,
                .activation = c.activation,
                .a = a.view(),
                .b = b.view(),
                .out = out.view()};
  if (c.has_bias) call.bias = bias.view();
  Gemm::backend().gemm(call, core::current_stream({}));
  for (std::int64_t i = 0; i < out.count(); ++i) {
    const double wanted = want[static_cast<std::size_t>(i)];
    ASSERT_NEAR(out.at(i), wanted, testing::tolerance(c.out_dtype, c.depth, wanted))
        << "element " << i;
  }
}

std::int64_t pick(std::mt19937& random, std::initializer_list<std::int64_t> choices) {
  return choices.begin()[std::uniform_int_distribution<std::size_t>(0, choices.size() - 1)(random)];
}

Case random_case(std::mt19937& random) {
  Case c;
  c.dtype = std::initializer_list<DType>{DType::f64, DType::f32, DType::bf16, DType::f16}
                .begin()[pick(random, {0, 1, 1, 2, 2, 3})];
  const bool is_half = is_half_precision(c.dtype);
  c.out_dtype = is_half && pick(random, {0, 0, 1}) == 1 ? DType::f32 : c.dtype;
  c.bias_dtype = is_half && pick(random, {0, 1}) == 1 ? DType::f32 : c.dtype;
  c.batch = pick(random, {0, 0, 1, 3});
  c.rows = pick(random, {0, 1, 2, 5, 11, 12, 13, 31, 64, 100});
  c.columns = pick(random, {0, 1, 3, 10, 15, 16, 17, 32, 33, 64, 100});
  c.depth = pick(random, {0, 1, 2, 7, 16, 31, 64, 130, 400});
  c.is_a_turned = pick(random, {0, 1}) == 1;
  c.is_b_turned = pick(random, {0, 1}) == 1;
  c.is_out_turned = pick(random, {0, 0, 0, 1}) == 1;
  c.write = pick(random, {0, 1}) == 1 ? Write::add : Write::store;
  c.has_bias = c.write == Write::store && pick(random, {0, 1}) == 1;
  if (c.write == Write::store)
    c.activation = static_cast<Activation>(pick(random, {0, 1, 2, 3, 4}));
  c.threads = static_cast<int>(pick(random, {1, 1, 3}));
  c.gap = pick(random, {1, 1, 1, 2});
  return c;
}

TEST_P(Gemm, AgreesWithItsDefinitionOnRandomShapesAndLayouts) {
  for (int i = 0; i < 300; ++i) {
    check(random_case(random_), random_);
    if (HasFatalFailure()) return;
  }
}

TEST_P(Gemm, AgreesWithItsDefinitionBeyondOneBlock) {
  check({.rows = 130, .columns = 450, .depth = 800, .has_bias = true}, random_);
  check({.rows = 40,
         .columns = 1030,
         .depth = 100,
         .is_b_turned = true,
         .activation = Activation::relu},
        random_);
  check({.rows = 200, .columns = 33, .depth = 1024, .is_a_turned = true, .write = Write::add},
        random_);
  check({.rows = 50,
         .columns = 70,
         .depth = 1024,
         .is_b_turned = true,
         .has_bias = true,
         .threads = 3},
        random_);
}

TEST_P(Gemm, GivesTheSameBitsOnAnyNumberOfThreadsExactly) {
  Array a(DType::f32, {70, 500}), b(DType::f32, {500, 90}), alone(DType::f32, {70, 90}),
      shared(DType::f32, {70, 90});
  a.fill_random(random_);
  b.fill_random(random_);
  Gemm::backend().gemm({.a = a.view(), .b = b.view(), .out = alone.view()},
                       core::current_stream({}));
  core::use_threads(4);
  Gemm::backend().gemm({.a = a.view(), .b = b.view(), .out = shared.view()},
                       core::current_stream({}));
  EXPECT_EQ(alone.bytes(), shared.bytes());
}

TEST_P(Gemm, LetsNanThroughRelu) {
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16, DType::f16}) {
    Array a(dtype, {2, 3}), b(dtype, {3, 2}), out(dtype, {2, 2});
    a.fill(1);
    b.fill(-1);
    a.set(0, std::nan(""));
    Gemm::backend().gemm(
        {.activation = Activation::relu, .a = a.view(), .b = b.view(), .out = out.view()},
        core::current_stream({}));
    EXPECT_TRUE(std::isnan(out.at(0)) && std::isnan(out.at(1))) << name_of(dtype);
    EXPECT_EQ(out.at(2), 0) << name_of(dtype);
  }
}

TEST_P(Gemm, RepacksKeptWeightsWhenTheirVersionOrTheOtherShapesChange) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    Array b(dtype, {70, 50});
    for (std::uint64_t version = 1; version < 4; ++version) {
      b.fill_random(random_, -1, 1);
      for (const std::int64_t rows : {3, 90, 3}) {
        const Case c{.dtype = dtype, .rows = rows, .columns = 50, .depth = 70};
        Array a(dtype, {rows, 70}), out(dtype, {rows, 50});
        a.fill_random(random_, -1, 1);
        const std::vector<double> want = expected(c, a, b, {}, out);
        Gemm::backend().gemm({.a = a.view(),
                              .b = b.view(),
                              .out = out.view(),
                              .weight_key = 54321,
                              .weight_version = version},
                             core::current_stream({}));
        for (std::int64_t i = 0; i < out.count(); ++i) {
          const double wanted = want[static_cast<std::size_t>(i)];
          ASSERT_NEAR(out.at(i), wanted, testing::tolerance(dtype, c.depth, wanted));
        }
      }
    }
  }
}

}  // namespace
}  // namespace lockstep::kernels
