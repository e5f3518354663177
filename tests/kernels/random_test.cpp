#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "lockstep/core/parallel_for.h"
#include "tests/support/kernel_test.h"
#include "tests/support/random_views.h"

namespace lockstep::kernels {
namespace {

using testing::Array;
using testing::is_near;

constexpr core::RngKey key{.seed = 0x123456789abcdefULL, .step = 7, .shard = 3, .ordinal = 11};
constexpr DType floating[] = {DType::f64, DType::f32, DType::f16, DType::bf16};

class Random : public testing::KernelTest {};
INSTANTIATE_TEST_SUITE_P(Backends, Random, testing::all_kernels, testing::name_of);

void run(const RandomCall& call) { Random::backend().random(call, core::current_stream({})); }

std::uint32_t word(std::int64_t i) {
  return key.words(static_cast<std::uint64_t>(i) / 4)[static_cast<std::size_t>(i % 4)];
}

TEST_P(Random, UniformElementsAreTheUpperBitsOfTheirWords) {
  std::mt19937 generator(1);
  for (const DType dtype : floating) {
    for (int repeat = 0; repeat < 10; ++repeat) {
      const Shape sizes = testing::random_shape(generator);
      Array out(dtype, sizes, testing::random_layout(generator, sizes.rank()));
      run({.op = RandomOp::uniform, .key = &key, .out = out.view(), .a = -1, .b = 3});
      for (std::int64_t i = 0; i < out.count(); ++i) {
        const double expected = -1 + 4 * (word(i) >> 8) * 0x1p-24;
        ASSERT_TRUE(is_near(out.at(i), expected, testing::tolerance_of(dtype))) << i;
      }
    }
  }
}

TEST_P(Random, UniformElementsStayBelowTheBound) {
  for (const DType dtype : floating) {
    for (const auto& [low, high] :
         {std::pair{0.0, 1.0}, {-1.0, 0.0}, {100.0, 101.0}, {-0.3, 0.1}}) {
      Array out(dtype, {200000}), bound(dtype, {1});
      bound.set(0, low);
      run({.op = RandomOp::uniform, .key = &key, .out = out.view(), .a = low, .b = high});
      for (std::int64_t i = 0; i < out.count(); ++i) {
        ASSERT_LT(out.at(i), high) << name_of(dtype);
        ASSERT_GE(out.at(i), std::min(low, bound.at(0)));
      }
    }
  }
}

TEST_P(Random, NormalElementsComeFromTheirPairOfWords) {
  std::mt19937 generator(2);
  for (const DType dtype : floating) {
    for (int repeat = 0; repeat < 10; ++repeat) {
      const Shape sizes = testing::random_shape(generator);
      Array out(dtype, sizes, testing::random_layout(generator, sizes.rank()));
      run({.op = RandomOp::normal, .key = &key, .out = out.view(), .a = 0.5, .b = 2});
      for (std::int64_t i = 0; i < out.count(); ++i) {
        const double radius = std::sqrt(-2 * std::log((word(i & ~1) + 0.5) * 0x1p-32));
        const double angle = 2 * std::numbers::pi * (word(i | 1) >> 8) * 0x1p-24;
        const double expected = 0.5 + 2 * radius * (i % 2 == 0 ? std::cos(angle) : std::sin(angle));
        ASSERT_TRUE(is_near(out.at(i), expected, 2 * testing::tolerance_of(dtype)))
            << out.at(i) << " " << expected;
      }
    }
  }
}

TEST_P(Random, NormalElementsHaveTheirMeanAndDeviation) {
  Array out(DType::f32, {1 << 18});
  run({.op = RandomOp::normal, .key = &key, .out = out.view(), .a = 1, .b = 3});
  double sum = 0, squares = 0;
  for (const double value : out.values()) sum += value, squares += (value - 1) * (value - 1);
  EXPECT_NEAR(sum / (1 << 18), 1, 0.02);
  EXPECT_NEAR(std::sqrt(squares / (1 << 18)), 3, 0.02);
}

TEST_P(Random, DropoutComparesWordsAndScalesWhatItKeeps) {
  std::mt19937 generator(3);
  for (const DType dtype : floating) {
    for (const Write write : {Write::store, Write::add}) {
      for (const double rate : {0.0, 0.1, 0.5, 1.0}) {
        const Shape sizes = testing::random_shape(generator);
        const testing::Operand in = testing::random_operand(generator, dtype, sizes);
        Array out(dtype, sizes, testing::random_layout(generator, sizes.rank()));
        out.fill(1);
        run({.op = RandomOp::dropout,
             .write = write,
             .key = &key,
             .in = in.view,
             .out = out.view(),
             .a = rate});
        for (std::int64_t i = 0; i < out.count(); ++i) {
          const bool is_kept = word(i) >= rate * 0x1p32;
          const double expected =
              (write == Write::add ? 1 : 0) + (is_kept ? Array::read(in.view, i) / (1 - rate) : 0);
          ASSERT_TRUE(is_near(out.at(i), expected, testing::tolerance_of(dtype)));
        }
      }
    }
  }
}

TEST_P(Random, TheMaskIsTheSameForEveryType) {
  std::vector<bool> first;
  for (const DType dtype : floating) {
    Array in(dtype, {5000}), out(dtype, {5000});
    in.fill(1);
    run({.op = RandomOp::dropout, .key = &key, .in = in.view(), .out = out.view(), .a = 0.3});
    std::vector<bool> mask;
    for (const double value : out.values()) mask.push_back(value != 0);
    if (first.empty()) first = mask;
    EXPECT_EQ(mask, first);
  }
}

TEST_P(Random, ABeginningHasTheBitsOfTheWholeExact) {
  for (const RandomOp op : {RandomOp::uniform, RandomOp::normal}) {
    Array whole(DType::f32, {3000});
    run({.op = op, .key = &key, .out = whole.view()});
    for (const std::int64_t n : {1, 2, 3, 15, 63, 64, 65, 511, 513, 2999}) {
      Array part(DType::f32, {n}, {.offset = 3});
      run({.op = op, .key = &key, .out = part.view()});
      const auto bytes = part.bytes();
      EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), whole.bytes().begin())) << n;
    }
  }
}

TEST_P(Random, BitsDoNotDependOnTheNumberOfThreadsExact) {
  for (const RandomOp op : {RandomOp::uniform, RandomOp::normal, RandomOp::dropout}) {
    Array in(DType::f32, {100003});
    in.fill(2);
    std::vector<std::uint8_t> first;
    for (const int threads : {1, 2, 3}) {
      core::use_threads(threads);
      Array out(DType::f32, {100003});
      run({.op = op, .key = &key, .in = in.view(), .out = out.view(), .a = 0.25});
      if (threads == 1) first = out.bytes();
      EXPECT_EQ(out.bytes(), first);
    }
  }
  core::use_threads(1);
}

}  // namespace
}  // namespace lockstep::kernels
