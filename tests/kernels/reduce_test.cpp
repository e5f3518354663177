#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "lockstep/core/parallel_for.h"
#include "tests/support/kernel_test.h"
#include "tests/support/random_views.h"

namespace lockstep::kernels {
namespace {

using testing::Array;
using testing::Operand;
using testing::random_int;

class Reduce : public testing::KernelTest {};
INSTANTIATE_TEST_SUITE_P(Backends, Reduce, testing::all_kernels, testing::name_of);

void run(const ReduceCall& call) { Reduce::backend().reduce(call, core::current_stream({})); }

// The element of `sizes` (with 1 on reduced axes) that element i of `all` goes to.
std::int64_t target_of(std::int64_t i, const Shape& all, const Shape& sizes) {
  std::int64_t target = 0, step = 1;
  for (int axis = all.rank() - 1; axis >= 0; --axis) {
    if (sizes[axis] != 1) target += i % all[axis] * step;
    step *= sizes[axis];
    i /= all[axis];
  }
  return target;
}

Shape random_reduced(std::mt19937& generator, Shape sizes) {
  for (int axis = 0; axis < sizes.rank(); ++axis) {
    if (random_int(generator, 0, 1) == 0) sizes[axis] = 1;
  }
  return sizes;
}

double first_of(ReduceOp op) {
  if (op == ReduceOp::max) return -std::numeric_limits<double>::infinity();
  return op == ReduceOp::min ? std::numeric_limits<double>::infinity() : 0;
}
long double join(ReduceOp op, long double a, long double b) {
  if (op == ReduceOp::max) return std::max(a, b);
  if (op == ReduceOp::min) return std::min(a, b);
  return a + (op == ReduceOp::sum ? b : b * b);
}

DType result_type(ReduceOp op, DType dtype) {
  const bool is_sum = op == ReduceOp::sum || op == ReduceOp::sum_of_squares;
  return is_sum && !is_floating(dtype) ? DType::i64 : dtype;
}

// How many of the magnitudes' sum an accumulation may be off, and the rounding of the result.
double tolerance_of(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return 1e-14;
    case DType::f32:
      return 1e-6;
    case DType::f16:
      return 1e-3;
    case DType::bf16:
      return 8e-3;
    default:
      return 0;
  }
}

void expect_right(std::mt19937& generator, ReduceOp op, DType dtype, const Shape& sizes,
                  const Shape& kept) {
  const Operand in =
      testing::random_operand(generator, dtype, sizes, dtype == DType::u8 ? 0 : -2, 3);
  Array out(result_type(op, dtype), kept, testing::random_layout(generator, kept.rank()));
  const bool is_added = random_int(generator, 0, 1) == 0;
  out.fill(1);
  const double scale = is_floating(dtype) && op == ReduceOp::sum ? 0.5 : 1;
  run({.op = op,
       .write = is_added ? Write::add : Write::store,
       .in = in.view,
       .out = out.view(),
       .scale = scale});
  std::vector<long double> expected(static_cast<std::size_t>(out.count()), first_of(op)),
      size = expected;
  for (std::int64_t i = 0; i < sizes.elements(); ++i) {
    const auto place = static_cast<std::size_t>(target_of(i, sizes, kept));
    const double value = Array::read(in.view, i);
    expected[place] = join(op, expected[place], value);
    size[place] = op == ReduceOp::sum || op == ReduceOp::sum_of_squares
                      ? size[place] + join(op, 0, std::abs(value))
                      : 1;
  }
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto right = static_cast<double>(scale * expected[i] + (is_added ? 1 : 0));
    const double slack = tolerance_of(dtype) * (2 + scale * static_cast<double>(size[i]));
    const double value = out.at(static_cast<std::int64_t>(i));
    ASSERT_TRUE(value == right || std::abs(value - right) <= slack)
        << static_cast<int>(op) << " " << name_of(dtype) << " " << to_string(sizes) << " to "
        << to_string(kept) << ": " << value << ", not " << right;
  }
}

TEST_P(Reduce, EveryOpAgreesWithItsDefinitionOverAnyAxes) {
  std::mt19937 generator(1);
  for (const ReduceOp op :
       {ReduceOp::sum, ReduceOp::sum_of_squares, ReduceOp::max, ReduceOp::min}) {
    for (const DType dtype :
         {DType::f64, DType::f32, DType::f16, DType::bf16, DType::i64, DType::i32, DType::u8}) {
      for (int repeat = 0; repeat < 30; ++repeat) {
        Shape sizes = testing::random_shape(generator);
        const bool has_none = sizes.elements() == 0;
        if (has_none && (op == ReduceOp::max || op == ReduceOp::min)) continue;
        expect_right(generator, op, dtype, sizes, random_reduced(generator, sizes));
      }
    }
  }
}

TEST_P(Reduce, LongAxesAreSummedExactlyEnough) {
  std::mt19937 generator(2);
  for (const Shape& sizes : {Shape{300000}, Shape{5, 70000}, Shape{70000, 5}, Shape{9001, 130},
                             Shape{70, 1, 3000}, Shape{3, 9000, 17}, Shape{2, 3000, 1100}}) {
    for (int axis = 0; axis < sizes.rank(); ++axis) {
      Shape kept = sizes;
      kept[axis] = 1;
      expect_right(generator, ReduceOp::sum, DType::f32, sizes, kept);
      expect_right(generator, ReduceOp::max, DType::bf16, sizes, kept);
    }
  }
}

TEST_P(Reduce, AMillionEqualElementsSumToTheirCountTimesTheValue) {
  Array in(DType::f32, {1 << 20}), out(DType::f32, {1});
  in.fill(0.1F);
  run({.in = in.view(), .out = out.view()});
  EXPECT_NEAR(out.at(0), (1 << 20) * static_cast<double>(0.1F), 0.1);
  Array columns(DType::f32, {1 << 18, 3}), sums(DType::f32, {1, 3});
  columns.fill(0.1F);
  run({.in = columns.view(), .out = sums.view()});
  for (const double sum : sums.values())
    EXPECT_NEAR(sum, (1 << 18) * static_cast<double>(0.1F), 0.025);
}

TEST_P(Reduce, SquaresOfFloatsMayBeSummedInDoubles) {
  Array in(DType::f32, {100000}), out(DType::f64, {1});
  in.fill(0.1F);
  run({.op = ReduceOp::sum_of_squares, .in = in.view(), .out = out.view()});
  const double square = static_cast<double>(0.1F) * static_cast<double>(0.1F);
  EXPECT_NEAR(out.at(0), 100000 * square, 1e-9);
}

TEST_P(Reduce, ArgmaxIsTheFirstLargestExact) {
  std::mt19937 generator(3);
  for (const DType dtype :
       {DType::f64, DType::f32, DType::f16, DType::bf16, DType::i32, DType::u8}) {
    for (int repeat = 0; repeat < 60; ++repeat) {
      Shape sizes = testing::random_shape(generator, 1, 3);
      if (sizes.elements() == 0) continue;
      const int axis = random_int(generator, 0, sizes.rank() - 1);
      if (repeat % 10 == 0) sizes[axis] = 2500;
      const Operand in =
          testing::random_operand(generator, dtype, sizes, 0, repeat % 2 == 0 ? 4 : 100);
      Shape kept = sizes;
      kept[axis] = 1;
      Array out(DType::i64, kept, testing::random_layout(generator, kept.rank()));
      run({.op = ReduceOp::argmax, .in = in.view, .out = out.view()});
      std::int64_t inner = 1;
      for (int k = axis + 1; k < sizes.rank(); ++k) inner *= sizes[k];
      for (std::int64_t i = 0; i < out.count(); ++i) {
        const std::int64_t first = i / inner * inner * sizes[axis] + i % inner;
        std::int64_t best = 0;
        for (std::int64_t k = 1; k < sizes[axis]; ++k) {
          if (Array::read(in.view, first + k * inner) > Array::read(in.view, first + best * inner))
            best = k;
        }
        ASSERT_EQ(out.at(i), best) << name_of(dtype) << " " << to_string(sizes) << " axis " << axis;
      }
    }
  }
}

TEST_P(Reduce, NanWinsEverywhere) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const DType dtype : {DType::f64, DType::f32, DType::f16, DType::bf16}) {
    for (const int count : {1, 5, 16, 63, 64, 65, 300, 5000}) {
      for (const int place : {0, count / 2, count - 1}) {
        Array in(dtype, {count});
        in.fill(1);
        in.set(place, nan);
        for (const ReduceOp op :
             {ReduceOp::sum, ReduceOp::sum_of_squares, ReduceOp::max, ReduceOp::min}) {
          Array out(dtype, {1});
          run({.op = op, .in = in.view(), .out = out.view()});
          ASSERT_NE(out.at(0), out.at(0)) << name_of(dtype) << " " << count << " " << place;
        }
        Array index(DType::i64, {1});
        run({.op = ReduceOp::argmax, .in = in.view(), .out = index.view()});
        ASSERT_EQ(index.at(0), place);
      }
    }
  }
}

TEST_P(Reduce, MaximumOfColumnsPassesNanOn) {
  Array in(DType::f32, {70, 40}), out(DType::f32, {1, 40});
  in.fill(1);
  in.set(33 * 40 + 7, std::numeric_limits<double>::quiet_NaN());
  run({.op = ReduceOp::max, .in = in.view(), .out = out.view()});
  for (int c = 0; c < 40; ++c) EXPECT_EQ(out.at(c) != out.at(c), c == 7);
}

TEST_P(Reduce, MaximumOfMinusInfinityIsMinusInfinity) {
  const double infinity = std::numeric_limits<double>::infinity();
  Array in(DType::f32, {100}), out(DType::f32, {1});
  in.fill(-infinity);
  run({.op = ReduceOp::max, .in = in.view(), .out = out.view()});
  EXPECT_EQ(out.at(0), -infinity);
}

TEST_P(Reduce, BooleansAreCountedExact) {
  Array in(DType::boolean, {1000}), count(DType::i64, {1}), any(DType::boolean, {1});
  for (int i = 0; i < 1000; i += 3) in.set(i, 1);
  run({.in = in.view(), .out = count.view()});
  EXPECT_EQ(count.at(0), 334);
  run({.op = ReduceOp::max, .in = in.view(), .out = any.view()});
  EXPECT_EQ(any.at(0), 1);
}

TEST_P(Reduce, BitsDoNotDependOnTheNumberOfThreadsExact) {
  std::mt19937 generator(4);
  for (const Shape& sizes :
       {Shape{1000000}, Shape{3000, 301}, Shape{100000, 7}, Shape{30, 300, 70}}) {
    Array in(DType::f32, sizes);
    in.fill_random(generator);
    for (int axis = 0; axis < sizes.rank(); ++axis) {
      Shape kept = sizes;
      kept[axis] = 1;
      std::vector<std::uint8_t> first;
      for (const int threads : {1, 2, 3}) {
        core::use_threads(threads);
        Array out(DType::f32, kept);
        run({.in = in.view(), .out = out.view()});
        if (threads == 1) first = out.bytes();
        EXPECT_EQ(out.bytes(), first) << to_string(sizes) << " axis " << axis;
      }
    }
  }
  core::use_threads(1);
}

}  // namespace
}  // namespace lockstep::kernels
