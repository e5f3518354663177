#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "lockstep/core/parallel_for.h"
#include "lockstep/core/shard.h"
#include "tests/support/kernel_test.h"
#include "tests/support/random_views.h"

namespace lockstep::kernels {
namespace {

using testing::Array;

struct Fold {
  std::vector<Array> inputs;
  std::vector<const void*> pointers;
  std::vector<core::FoldStep> program;
  FoldCall call;

  Fold(FoldOp op, DType dtype, std::int64_t count, int ranks, int shards, std::mt19937& generator) {
    const auto forest = core::forest(ranks, shards);
    program = core::fold_program(forest, shards);
    for (std::size_t i = 0; i < forest.size(); ++i) {
      inputs.emplace_back(dtype, Shape{count},
                          testing::Layout{.offset = testing::random_int(generator, 0, 3)});
      const bool is_boolean = dtype == DType::boolean;
      inputs.back().fill_random(generator, is_boolean ? 0 : -2, is_boolean ? 1 : 3);
      if (is_boolean) {
        for (std::int64_t k = 0; k < count; ++k)
          inputs.back().set(k, testing::random_int(generator, 0, 1));
      }
    }
    for (const Array& each : inputs) pointers.push_back(each.view().data);
    call = {.op = op,
            .dtype = dtype,
            .count = count,
            .in = pointers.data(),
            .inputs = static_cast<int>(inputs.size()),
            .program = program.data(),
            .steps = static_cast<int>(program.size())};
  }
  // The program on element i, rounded to the type after every step.
  double expected(std::int64_t i) const {
    std::vector<double> stack;
    Array one(call.dtype, {1});
    std::size_t next = 0;
    for (const core::FoldStep step : program) {
      if (step == core::FoldStep::push) {
        stack.push_back(inputs[next++].at(i));
        continue;
      }
      const double b = stack.back();
      stack.pop_back();
      one.set(0, joined(stack.back(), b));
      stack.back() = one.at(0);
    }
    return stack.back();
  }
  double joined(double a, double b) const {
    const bool is_boolean = call.dtype == DType::boolean;
    switch (call.op) {
      case FoldOp::sum:
        return is_boolean ? a || b : a + b;
      case FoldOp::product:
        return a * b;
      case FoldOp::min:
        return std::min(a, b);
      case FoldOp::max:
        return std::max(a, b);
    }
    return 0;
  }
};

class Folding : public testing::KernelTest {};
INSTANTIATE_TEST_SUITE_P(Backends, Folding, testing::all_kernels, testing::name_of);

void run(const FoldCall& call) { Folding::backend().fold(call, core::current_stream({})); }

TEST_P(Folding, RunsTheProgramOfAnyForestOverEveryTypeExact) {
  std::mt19937 generator(1);
  for (const FoldOp op : {FoldOp::sum, FoldOp::product, FoldOp::min, FoldOp::max}) {
    for (const DType dtype : all_dtypes) {
      if (dtype == DType::i8 || dtype == DType::u8) continue;
      for (int repeat = 0; repeat < 8; ++repeat) {
        const int ranks = testing::random_int(generator, 1, 9);
        const int count = testing::random_int(generator, 0, 2500);
        Fold fold(op, dtype, count, ranks, ranks + testing::random_int(generator, 0, 9), generator);
        Array out(dtype, {count});
        fold.call.out = out.view().data;
        run(fold.call);
        for (std::int64_t i = 0; i < count; ++i) {
          const double expected = fold.expected(i);
          const double slack =
              dtype == DType::f64 || dtype == DType::f32 ? 1e-15 * std::abs(expected) : 0;
          ASSERT_NEAR(out.at(i), expected, slack)
              << name_of(dtype) << " op " << static_cast<int>(op);
        }
      }
    }
  }
}

TEST_P(Folding, MayOverwriteAnyOfItsInputsExact) {
  std::mt19937 generator(2);
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (int place = 0; place < 6; ++place) {
      Fold fold(FoldOp::sum, dtype, 3000, 6, 6, generator);
      Array out(dtype, {3000});
      fold.call.out = out.view().data;
      fold.call.scale = 0.25;
      run(fold.call);
      fold.call.out = fold.inputs[static_cast<std::size_t>(place)].view().data;
      run(fold.call);
      EXPECT_EQ(fold.inputs[static_cast<std::size_t>(place)].bytes(), out.bytes());
    }
  }
}

TEST_P(Folding, EveryCopyReceivesTheResultWhereverItIsStoredExact) {
  std::mt19937 generator(6);
  for (const DType dtype : all_dtypes) {
    if (dtype == DType::i8 || dtype == DType::u8) continue;
    for (const int ranks : {1, 2, 5}) {
      for (const bool passes_by_cache : {false, true}) {
        const int count = testing::random_int(generator, 1, 5000);
        const FoldOp op = dtype == DType::boolean ? FoldOp::max : FoldOp::sum;
        Fold fold(op, dtype, count, ranks, ranks, generator);
        Array out(dtype, {count});
        fold.call.scale = is_floating(dtype) ? 0.5 : 1;
        fold.call.out = out.view().data;
        run(fold.call);
        // To all inputs, as ranks in place do, and to others on and off the bounds of lines.
        std::vector<Array> others;
        for (const int offset : {0, 1})
          others.emplace_back(dtype, Shape{count}, testing::Layout{.offset = offset});
        std::vector<void*> places;
        for (const Array& each : fold.inputs) places.push_back(each.view().data);
        for (const Array& each : others) places.push_back(each.view().data);
        fold.call.out = places.front();
        fold.call.copies = places.data() + 1;
        fold.call.copy_count = static_cast<int>(places.size()) - 1;
        fold.call.passes_by_cache = passes_by_cache;
        run(fold.call);
        for (const Array& each : fold.inputs) ASSERT_EQ(each.bytes(), out.bytes());
        for (const Array& each : others) ASSERT_EQ(each.bytes(), out.bytes()) << name_of(dtype);
      }
    }
  }
}

TEST_P(Folding, OneInputIsScaledOrCopied) {
  std::mt19937 generator(3);
  Fold fold(FoldOp::sum, DType::f32, 100, 1, 1, generator);
  Array out(DType::f32, {100});
  fold.call.out = out.view().data;
  run(fold.call);
  EXPECT_EQ(out.bytes(), fold.inputs[0].bytes());
  fold.call.scale = 0.5;
  run(fold.call);
  for (std::int64_t i = 0; i < 100; ++i) EXPECT_EQ(out.at(i), 0.5 * fold.inputs[0].at(i));
}

TEST_P(Folding, NanWins) {
  std::mt19937 generator(4);
  for (const FoldOp op : {FoldOp::sum, FoldOp::product, FoldOp::min, FoldOp::max}) {
    for (const DType dtype : {DType::f64, DType::f32, DType::f16, DType::bf16}) {
      for (std::size_t place = 0; place < 3; ++place) {
        Fold fold(op, dtype, 50, 3, 3, generator);
        fold.inputs[place].set(41, std::numeric_limits<double>::quiet_NaN());
        Array out(dtype, {50});
        fold.call.out = out.view().data;
        run(fold.call);
        for (std::int64_t i = 0; i < 50; ++i) EXPECT_EQ(out.at(i) != out.at(i), i == 41);
      }
    }
  }
}

TEST_P(Folding, BitsDoNotDependOnCutOrThreadsExact) {
  std::mt19937 generator(5);
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    Fold fold(FoldOp::sum, dtype, 100001, 5, 7, generator);
    std::vector<std::uint8_t> first;
    for (const int threads : {1, 2, 3}) {
      core::use_threads(threads);
      Array out(dtype, {100001});
      fold.call.out = out.view().data;
      run(fold.call);
      if (threads == 1) first = out.bytes();
      EXPECT_EQ(out.bytes(), first);
    }
    core::use_threads(1);
    Array out(dtype, {100001});
    for (std::int64_t begin = 0, n = 1; begin < 100001; begin += n, n = n * 3 + 1) {
      std::vector<const void*> moved;
      const std::size_t skip = static_cast<std::size_t>(begin) * size_of(dtype);
      for (const void* each : fold.pointers) moved.push_back(static_cast<const char*>(each) + skip);
      FoldCall call = fold.call;
      call.in = moved.data();
      call.count = std::min(n, 100001 - begin);
      call.out = out.view().as<char>() + skip;
      run(call);
    }
    EXPECT_EQ(out.bytes(), first);
  }
}

}  // namespace
}  // namespace lockstep::kernels
