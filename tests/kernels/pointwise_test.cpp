#include "kernels/math/pointwise.h"

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

constexpr DType floating[] = {DType::f64, DType::f32, DType::f16, DType::bf16};

class Pointwise : public testing::KernelTest {};
INSTANTIATE_TEST_SUITE_P(Backends, Pointwise, testing::all_kernels, testing::name_of);

void run(const PointwiseCall& call) {
  Pointwise::backend().pointwise(call, core::current_stream({}));
}

int inputs_of(OpId op) {
  int inputs = 0;
  math::Pointwise::with(op, [&]<class Op>() { inputs = Op::inputs; });
  return inputs;
}

// The op's definition in double precision, on the elements that the call reads.
double expected(const PointwiseCall& call, const double (&in)[4]) {
  const math::Scalars scalars{{call.scalars[0], call.scalars[1]}};
  double result = 0;
  math::Pointwise::with(call.op, [&]<class Op>() {
    if constexpr (Op::inputs == 1) {
      result = call.pass == Pass::value ? Op::value(in[0], scalars)
                                        : in[2] * Op::slope(in[0], in[1], scalars);
    } else {
      if (call.pass == Pass::value) result = Op::value(in[0], in[1]);
      if (call.pass == Pass::slope) result = in[3] * Op::slope_a(in[0], in[1], in[2]);
      if (call.pass == Pass::slope_b) result = in[3] * Op::slope_b(in[0], in[1], in[2]);
    }
  });
  return result;
}

struct Case {
  PointwiseCall call;
  Operand in[4];
  Array out;
  Array before;
};

Case random_case(std::mt19937& generator, OpId op, Pass pass, DType dtype) {
  Case made;
  const Shape sizes = testing::random_shape(generator);
  // Away from zero, where these ops or their slopes leave the range of a half.
  const std::string_view name = math::Pointwise::name_of(op);
  const bool needs_positive =
      name == "log" || name == "sqrt" || name == "div" || name == "reciprocal";
  made.call = {.op = op,
               .pass = pass,
               .write = random_int(generator, 0, 1) == 0 ? Write::store : Write::add};
  made.call.scalars[0] = 1.5;
  made.call.scalars[1] = -0.25;
  const int inputs = inputs_of(op) + (pass == Pass::value ? 0 : 2);
  for (int i = 0; i < inputs; ++i) {
    made.in[i] = testing::random_operand(generator, dtype, sizes, needs_positive ? 0.25 : -2, 2);
    made.call.in[i] = made.in[i].view;
  }
  made.out = Array(dtype, sizes, testing::random_layout(generator, sizes.rank()));
  made.out.fill_random(generator);
  made.before = made.out;
  made.call.out = made.out.view();
  return made;
}

void expect_right(std::mt19937& generator, OpId op, Pass pass, DType dtype) {
  Case made = random_case(generator, op, pass, dtype);
  const std::vector<double> before = made.out.values();
  run(made.call);
  for (std::int64_t i = 0; i < made.out.count(); ++i) {
    double in[4] = {};
    for (int k = 0; k < 4; ++k) {
      if (made.call.in[k].data != nullptr) in[k] = Array::read(made.call.in[k], i);
    }
    const double old = made.call.write == Write::add ? before[static_cast<std::size_t>(i)] : 0;
    const double value = expected(made.call, in);
    ASSERT_TRUE(
        is_near(made.out.at(i), old + value, 2 * tolerance_of(dtype) * (1 + std::abs(value))))
        << math::Pointwise::name_of(op) << " pass " << static_cast<int>(pass) << " "
        << name_of(dtype) << " " << to_string(made.call.out.sizes) << " element " << i << ": "
        << made.out.at(i) << ", not " << old + value;
  }
}

TEST_P(Pointwise, EveryOpAgreesWithItsDefinitionOnAnyLayout) {
  std::mt19937 generator(1);
  for (std::size_t op = 0; op < math::Pointwise::size; ++op) {
    const auto id = static_cast<OpId>(op);
    for (const DType dtype : floating) {
      for (int repeat = 0; repeat < 12; ++repeat) {
        expect_right(generator, id, Pass::value, dtype);
        expect_right(generator, id, Pass::slope, dtype);
        if (inputs_of(id) == 2) expect_right(generator, id, Pass::slope_b, dtype);
      }
    }
  }
}

TEST_P(Pointwise, IntegersAreAddedSubtractedMultipliedAndNegatedExact) {
  std::mt19937 generator(2);
  const OpId ops[] = {math::Pointwise::id_of<math::Add>(), math::Pointwise::id_of<math::Sub>(),
                      math::Pointwise::id_of<math::Mul>(), math::Pointwise::id_of<math::Neg>()};
  for (const DType dtype : {DType::i64, DType::i32, DType::i8}) {
    for (const OpId op : ops) {
      for (int repeat = 0; repeat < 6; ++repeat) {
        Case made = random_case(generator, op, Pass::value, dtype);
        made.call.write = Write::store;
        run(made.call);
        for (std::int64_t i = 0; i < made.out.count(); ++i) {
          const double in[4] = {
              Array::read(made.call.in[0], i),
              made.call.in[1].data != nullptr ? Array::read(made.call.in[1], i) : 0};
          ASSERT_EQ(made.out.at(i), expected(made.call, in)) << math::Pointwise::name_of(op);
        }
      }
    }
  }
}

TEST_P(Pointwise, EveryOpPassesNanOn) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (std::size_t op = 0; op < math::Pointwise::size; ++op) {
    for (const DType dtype : floating) {
      for (const int count : {1, 16, 37}) {
        const auto id = static_cast<OpId>(op);
        for (int poisoned = 0; poisoned < inputs_of(id); ++poisoned) {
          Array in[2] = {Array(dtype, {count}), Array(dtype, {count})}, out(dtype, {count});
          in[0].fill(1.25), in[1].fill(1.25);
          in[poisoned].fill(nan);
          PointwiseCall call{.op = id};
          for (int k = 0; k < inputs_of(id); ++k) call.in[k] = in[k].view();
          call.scalars[0] = 1;
          call.out = out.view();
          run(call);
          for (const double value : out.values()) {
            ASSERT_NE(value, value) << math::Pointwise::name_of(id) << " " << name_of(dtype);
          }
        }
      }
    }
  }
}

TEST_P(Pointwise, EverySlopePassesANanGradientOn) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (std::size_t op = 0; op < math::Pointwise::size; ++op) {
    for (const DType dtype : floating) {
      const auto id = static_cast<OpId>(op);
      Array x(dtype, {37}), g(dtype, {37}), out(dtype, {37});
      x.fill(0.5), g.fill(nan);
      PointwiseCall call{.op = id, .pass = Pass::slope};
      const int values = inputs_of(id) + 1;
      for (int k = 0; k < values; ++k) call.in[k] = x.view();
      call.in[values] = g.view();
      call.out = out.view();
      run(call);
      for (const double value : out.values())
        ASSERT_NE(value, value) << math::Pointwise::name_of(id);
    }
  }
}

TEST_P(Pointwise, UnreadViewsMayHaveNoData) {
  Array y(DType::f32, {40}), g(DType::f32, {40}), out(DType::f32, {40});
  y.fill(0.5), g.fill(2);
  PointwiseCall call{.op = math::Pointwise::id_of<math::Tanh>(), .pass = Pass::slope};
  call.in[1] = y.view();
  call.in[2] = g.view();
  call.out = out.view();
  run(call);
  for (const double value : out.values()) EXPECT_FLOAT_EQ(value, 1.5);
}

// Bits of gelu on [first, first + n) of one array, cut and aligned as asked.
std::vector<std::uint8_t> bits_of_gelu(const Array& x, DType dtype, std::int64_t first,
                                       std::int64_t n, std::int64_t offset) {
  Array out(dtype, {n}, {.offset = offset});
  PointwiseCall call{.op = math::Pointwise::id_of<math::Gelu>()};
  call.in[0] = x.view();
  call.in[0].data = x.view().as<std::uint8_t>() + static_cast<std::size_t>(first) * size_of(dtype);
  call.in[0].sizes = {n};
  call.out = out.view();
  run(call);
  return out.bytes();
}

TEST_P(Pointwise, BitsDoNotDependOnCutOrAlignmentExact) {
  std::mt19937 generator(3);
  for (const DType dtype : floating) {
    Array x(dtype, {1000});
    x.fill_random(generator, -6, 6);
    const auto whole = bits_of_gelu(x, dtype, 0, 1000, 0);
    for (int repeat = 0; repeat < 50; ++repeat) {
      const int first = random_int(generator, 0, 900);
      const int n = random_int(generator, 1, 100);
      const auto part = bits_of_gelu(x, dtype, first, n, random_int(generator, 0, 15));
      const auto begin = whole.begin() + first * static_cast<int>(size_of(dtype));
      ASSERT_TRUE(std::equal(part.begin(), part.end(), begin))
          << name_of(dtype) << " " << first << " " << n;
    }
  }
}

TEST_P(Pointwise, BitsDoNotDependOnTheNumberOfThreadsExact) {
  std::mt19937 generator(4);
  Array x(DType::f32, {300, 501}), row(DType::f32, {1, 501});
  x.fill_random(generator), row.fill_random(generator);
  PointwiseCall call{.op = math::Pointwise::id_of<math::Mul>()};
  call.in[0] = x.view();
  call.in[1] = row.view();
  call.in[1].sizes[0] = 300;
  call.in[1].strides[0] = 0;
  std::vector<std::uint8_t> first;
  for (const int threads : {1, 2, 3}) {
    core::use_threads(threads);
    Array out(DType::f32, {300, 501});
    call.out = out.view();
    run(call);
    if (threads == 1) first = out.bytes();
    EXPECT_EQ(out.bytes(), first);
  }
  core::use_threads(1);
}

TEST_P(Pointwise, MayWorkInPlaceExact) {
  std::mt19937 generator(5);
  Array x(DType::f32, {37, 41});
  x.fill_random(generator);
  Array y(DType::f32, {37, 41});
  PointwiseCall call{.op = math::Pointwise::id_of<math::Exp>()};
  call.in[0] = x.view();
  call.out = y.view();
  run(call);
  call.out = x.view();
  run(call);
  EXPECT_EQ(x.bytes(), y.bytes());
}

// Large enough to take the path around the caches, at every alignment of the result.
TEST_P(Pointwise, LargeResultsAreRightAtAnyAlignmentExact) {
  std::mt19937 generator(6);
  const std::int64_t count = (12 << 20) / 4 + 37;
  Array x(DType::f32, {count});
  for (std::int64_t i = 0; i < count; ++i)
    x.view().as<float>()[i] = static_cast<float>(i % 1000) - 500;
  for (const std::int64_t offset : {0, 1, 7}) {
    Array out(DType::f32, {count}, {.offset = offset});
    PointwiseCall call{.op = math::Pointwise::id_of<math::Relu>()};
    call.in[0] = x.view();
    call.out = out.view();
    run(call);
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      wrong += out.view().as<float>()[i] != std::max(0.0F, static_cast<float>(i % 1000) - 500);
    }
    EXPECT_EQ(wrong, 0);
  }
}

}  // namespace
}  // namespace lockstep::kernels
