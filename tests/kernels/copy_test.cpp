#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "lockstep/core/parallel_for.h"
#include "tests/support/kernel_test.h"
#include "tests/support/random_views.h"

namespace lockstep::kernels {
namespace {

using testing::Array;
using testing::is_near;
using testing::Operand;
using testing::random_int;
using testing::tolerance_of;

class Copy : public testing::KernelTest {};
INSTANTIATE_TEST_SUITE_P(Backends, Copy, testing::all_kernels, testing::name_of);

void run(const CopyCall& call) { Copy::backend().copy(call, core::current_stream({})); }

// A value that every type holds, as `to` holds it.
double rounded(DType to, double value) {
  Array one(to, {1});
  one.set(0, value);
  return one.at(0);
}

TEST_P(Copy, ConvertsBetweenAllTypesOnAnyLayoutExact) {
  std::mt19937 generator(1);
  for (const DType from : all_dtypes) {
    for (const DType to : all_dtypes) {
      for (int repeat = 0; repeat < 8; ++repeat) {
        const Shape sizes = testing::random_shape(generator);
        const Operand in = testing::random_operand(generator, from, sizes, 0, 100);
        Array out(to, sizes, testing::random_layout(generator, sizes.rank()));
        run({.in = in.view, .out = out.view()});
        for (std::int64_t i = 0; i < out.count(); ++i) {
          const double value = Array::read(in.view, i);
          ASSERT_EQ(out.at(i), rounded(to, value))
              << name_of(from) << " to " << name_of(to) << " " << value;
        }
      }
    }
  }
}

TEST_P(Copy, ScalesAndAdds) {
  std::mt19937 generator(2);
  for (const DType from :
       {DType::f64, DType::f32, DType::f16, DType::bf16, DType::u8, DType::i32}) {
    for (const DType to : {DType::f64, DType::f32, DType::f16, DType::bf16}) {
      for (const Write write : {Write::store, Write::add}) {
        for (int repeat = 0; repeat < 6; ++repeat) {
          const Shape sizes = testing::random_shape(generator);
          const Operand in = testing::random_operand(generator, from, sizes, 0, 9);
          Array out(to, sizes, testing::random_layout(generator, sizes.rank()));
          out.fill_random(generator);
          const auto before = out.values();
          run({.write = write, .in = in.view, .out = out.view(), .scale = 0.25});
          for (std::int64_t i = 0; i < out.count(); ++i) {
            const double old = write == Write::add ? before[static_cast<std::size_t>(i)] : 0;
            const double expected = old + 0.25 * Array::read(in.view, i);
            ASSERT_TRUE(is_near(out.at(i), expected, tolerance_of(to)))
                << out.at(i) << " " << expected;
          }
        }
      }
    }
  }
}

// Every pair of axes swapped, sizes around the blocks of the transpose.
TEST_P(Copy, TransposesEveryTypeExact) {
  std::mt19937 generator(3);
  for (const DType dtype : all_dtypes) {
    for (int repeat = 0; repeat < 30; ++repeat) {
      const Shape sizes{random_int(generator, 1, 3), random_int(generator, 1, 150),
                        random_int(generator, 1, 150)};
      Array in(dtype, sizes);
      in.fill_random(generator, 0, 100);
      const View turned = in.transposed(random_int(generator, 0, 1), 2);
      Array out(dtype, turned.sizes, {.offset = random_int(generator, 0, 3)});
      run({.in = turned, .out = out.view()});
      for (std::int64_t i = 0; i < out.count(); ++i) ASSERT_EQ(out.at(i), Array::read(turned, i));
    }
  }
}

TEST_P(Copy, FillsAnyLayoutWithANumberExact) {
  std::mt19937 generator(6);
  for (const DType to : all_dtypes) {
    for (const double value : {0.0, 1.0, 7.0}) {
      const Shape sizes = testing::random_shape(generator);
      Array out(to, sizes, testing::random_layout(generator, sizes.rank()));
      out.fill(3);
      run({.out = out.view(), .scale = value});
      for (std::int64_t i = 0; i < out.count(); ++i) ASSERT_EQ(out.at(i), rounded(to, value));
    }
  }
}

TEST_P(Copy, KeepsLargeWholeNumbersExact) {
  const std::int64_t large = (std::int64_t{1} << 62) + 12345;
  std::int64_t in = large, out = 0;
  View from, to;
  from.dtype = to.dtype = DType::i64;
  from.data = &in;
  to.data = &out;
  run({.in = from, .out = to});
  EXPECT_EQ(out, large);
}

TEST_P(Copy, KeepsNanInHalvesAtEveryPlace) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const DType from : {DType::f64, DType::f32, DType::f16, DType::bf16}) {
    for (const DType to : {DType::f64, DType::f32, DType::f16, DType::bf16}) {
      Array in(from, {37}), out(to, {37});
      in.fill(nan);
      run({.in = in.view(), .out = out.view()});
      for (const double value : out.values()) EXPECT_NE(value, value);
      for (std::int64_t i = 1; i < out.count(); ++i) {
        EXPECT_EQ(std::memcmp(out.bytes().data(),
                              out.bytes().data() + static_cast<std::size_t>(i) * size_of(to),
                              size_of(to)),
                  0);
      }
    }
  }
}

TEST_P(Copy, BitsDoNotDependOnTheNumberOfThreadsExact) {
  std::mt19937 generator(4);
  Array in(DType::f32, {3, 200, 301});
  in.fill_random(generator);
  for (const DType to : {DType::f32, DType::bf16}) {
    std::vector<std::uint8_t> first;
    for (const int threads : {1, 2, 3}) {
      core::use_threads(threads);
      Array out(to, {3, 301, 200});
      run({.in = in.transposed(1, 2), .out = out.view(), .scale = 1.5});
      if (threads == 1) first = out.bytes();
      EXPECT_EQ(out.bytes(), first);
    }
  }
  core::use_threads(1);
}

}  // namespace
}  // namespace lockstep::kernels
