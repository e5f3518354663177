#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/kernel_test.h"
#include "tests/support/random_views.h"

namespace lockstep::kernels {
namespace {

using testing::Array;
using testing::is_near;
using testing::random_int;

class Index : public testing::KernelTest {};
INSTANTIATE_TEST_SUITE_P(Backends, Index, testing::all_kernels, testing::name_of);

Array random_index(std::mt19937& generator, std::int64_t n, std::int64_t below) {
  Array index(DType::i64, {n}, {.gap = random_int(generator, 1, 2)});
  for (std::int64_t i = 0; i < n; ++i)
    index.set(i, random_int(generator, 0, static_cast<int>(below) - 1));
  return index;
}

// [n, ...] with the same trailing axes.
Shape with_first(Shape shape, std::int64_t n) {
  shape[0] = n;
  return shape;
}

TEST_P(Index, GatherTakesTheEntriesOfAnyTypeAndLayoutExact) {
  std::mt19937 generator(1);
  for (const DType dtype : all_dtypes) {
    for (int repeat = 0; repeat < 20; ++repeat) {
      Shape sizes = testing::random_shape(generator, 1, 3);
      sizes[0] = random_int(generator, 1, 20);
      const std::int64_t n = random_int(generator, 0, 40);
      Array table(dtype, sizes, testing::random_layout(generator, sizes.rank()));
      table.fill_random(generator, 0, 100);
      Array rows(dtype, with_first(sizes, n), testing::random_layout(generator, sizes.rank()));
      const Array index = random_index(generator, n, sizes[0]);
      Index::backend().gather({.table = table.view(), .index = index.view(), .rows = rows.view()},
                              core::current_stream({}));
      const std::int64_t each = n > 0 ? rows.count() / n : 0;
      for (std::int64_t i = 0; i < rows.count(); ++i) {
        ASSERT_EQ(rows.at(i),
                  table.at(static_cast<std::int64_t>(index.at(i / each)) * each + i % each));
      }
    }
  }
}

TEST_P(Index, ScatterAddAddsInTheOrderOfTheIndex) {
  std::mt19937 generator(2);
  for (const DType dtype : {DType::f64, DType::f32, DType::f16, DType::bf16, DType::i32}) {
    for (int repeat = 0; repeat < 20; ++repeat) {
      Shape sizes = testing::random_shape(generator, 1, 3);
      sizes[0] = random_int(generator, 1, 20);
      const std::int64_t n = random_int(generator, 0, 40);
      Array table(dtype, sizes, testing::random_layout(generator, sizes.rank()));
      table.fill_random(generator);
      Array rows(dtype, with_first(sizes, n), testing::random_layout(generator, sizes.rank()));
      rows.fill_random(generator);
      const Array index = random_index(generator, n, sizes[0]);
      Array expected(dtype, sizes);
      for (std::int64_t i = 0; i < table.count(); ++i) expected.set(i, table.at(i));
      const std::int64_t each = n > 0 ? rows.count() / n : 0;
      for (std::int64_t i = 0; i < rows.count(); ++i) {
        const std::int64_t place = static_cast<std::int64_t>(index.at(i / each)) * each + i % each;
        expected.set(place, expected.at(place) + rows.at(i));
      }
      Index::backend().scatter_add(
          {.table = table.view(), .index = index.view(), .rows = rows.view()},
          core::current_stream({}));
      for (std::int64_t i = 0; i < table.count(); ++i)
        ASSERT_EQ(table.at(i), expected.at(i)) << name_of(dtype);
    }
  }
}

// Many rows for few entries, which are longer than a warp's, and one entry that all rows go to.
TEST_P(Index, ScatterAddKeepsTheOrderOfManyRowsExact) {
  std::mt19937 generator(4);
  for (const std::int64_t entries : {1, 3, 400}) {
    const std::int64_t n = 700, each = entries == 3 ? 600 : 5;
    Array table(DType::f32, {entries, each}), rows(DType::f32, {n, each});
    rows.fill_random(generator);
    const Array index = random_index(generator, n, entries);
    std::vector<float> expected(static_cast<std::size_t>(entries * each), 0.0F);
    for (std::int64_t i = 0; i < rows.count(); ++i) {
      const auto entry = static_cast<std::int64_t>(index.at(i / each));
      expected[static_cast<std::size_t>(entry * each + i % each)] += static_cast<float>(rows.at(i));
    }
    Index::backend().scatter_add(
        {.table = table.view(), .index = index.view(), .rows = rows.view()},
        core::current_stream({}));
    for (std::int64_t i = 0; i < table.count(); ++i)
      ASSERT_EQ(table.at(i), expected[static_cast<std::size_t>(i)]);
  }
}

TEST_P(Index, PickPutsTheGradientWhereTheIndexSays) {
  std::mt19937 generator(3);
  for (const DType dtype : {DType::f64, DType::f32, DType::f16, DType::bf16}) {
    for (const Write write : {Write::store, Write::add}) {
      for (int repeat = 0; repeat < 20; ++repeat) {
        const Shape sizes = testing::random_shape(generator, 1, 3);
        const int axis = random_int(generator, 0, sizes.rank() - 1);
        if (sizes.elements() == 0) continue;
        Shape one = sizes;
        one[axis] = 1;
        Array out(dtype, sizes, testing::random_layout(generator, sizes.rank()));
        out.fill(1);
        Array g(dtype, one, testing::random_layout(generator, sizes.rank()));
        g.fill_random(generator);
        Array index(DType::i64, one);
        for (std::int64_t i = 0; i < index.count(); ++i)
          index.set(i, random_int(generator, 0, static_cast<int>(sizes[axis]) - 1));
        Index::backend().pick(
            {.write = write, .axis = axis, .index = index.view(), .g = g.view(), .out = out.view()},
            core::current_stream({}));
        std::int64_t inner = 1;
        for (int k = axis + 1; k < sizes.rank(); ++k) inner *= sizes[k];
        for (std::int64_t i = 0; i < out.count(); ++i) {
          const std::int64_t place = i / inner % sizes[axis];
          const std::int64_t of = i / (inner * sizes[axis]) * inner + i % inner;
          double expected = write == Write::add ? 1 : 0;
          if (index.at(of) == static_cast<double>(place)) expected += g.at(of);
          ASSERT_TRUE(is_near(out.at(i), expected, testing::tolerance_of(dtype)));
        }
      }
    }
  }
}

}  // namespace
}  // namespace lockstep::kernels
