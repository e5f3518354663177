#include "kernels/math/rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "lockstep/core/parallel_for.h"
#include "tests/support/kernel_test.h"
#include "tests/support/random_views.h"
#include "tests/support/thread_team.h"

namespace lockstep::kernels {
namespace {

using testing::Array;
using testing::is_near;
using testing::Operand;
using testing::random_int;
using testing::tolerance_of;

constexpr DType floating[] = {DType::f64, DType::f32, DType::f16, DType::bf16};

class Rows : public testing::KernelTest {};
INSTANTIATE_TEST_SUITE_P(Backends, Rows, testing::all_kernels, testing::name_of);

void run(const RowsCall& call) { Rows::backend().rows(call, core::current_stream({})); }

// The rows of a view along an axis, as row-major positions of their elements.
std::vector<std::vector<std::int64_t>> rows_of(const Shape& sizes, int axis) {
  std::int64_t inner = 1;
  for (int k = axis + 1; k < sizes.rank(); ++k) inner *= sizes[k];
  std::vector<std::vector<std::int64_t>> rows;
  if (sizes.elements() == 0) return rows;
  for (std::int64_t r = 0; r < sizes.elements() / sizes[axis]; ++r) {
    rows.emplace_back();
    for (std::int64_t i = 0; i < sizes[axis]; ++i)
      rows.back().push_back(r / inner * inner * sizes[axis] + i * inner + r % inner);
  }
  return rows;
}

double log_sum_exp(const View& x, const std::vector<std::int64_t>& row) {
  double top = -std::numeric_limits<double>::infinity(), sum = 0;
  for (const std::int64_t i : row) top = std::max(top, Array::read(x, i));
  for (const std::int64_t i : row) sum += std::exp(Array::read(x, i) - top);
  return top + std::log(sum);
}

// Softmax and log-softmax, values and slopes, against their definitions; `expected(row)` gives a
// row's results.
template <class Expected>
void expect_right(std::mt19937& generator, OpId op, Pass pass, const Expected& expected) {
  for (const DType dtype : floating) {
    for (int repeat = 0; repeat < 25; ++repeat) {
      const Shape sizes = testing::random_shape(generator, 1, 4);
      const int axis = random_int(generator, 0, sizes.rank() - 1);
      const Operand a = testing::random_operand(generator, dtype, sizes, -4, 1);
      const Operand b = testing::random_operand(generator, dtype, sizes);
      Array out(dtype, sizes, testing::random_layout(generator, sizes.rank()));
      out.fill(1);
      RowsCall call{.op = op,
                    .pass = pass,
                    .write = repeat % 3 == 0 ? Write::add : Write::store,
                    .axis = axis};
      call.in[0] = a.view;
      if (pass == Pass::slope) call.in[1] = b.view;
      call.out[0] = out.view();
      run(call);
      for (const auto& row : rows_of(sizes, axis)) {
        const std::vector<double> right = expected(a.view, b.view, row);
        for (std::size_t i = 0; i < row.size(); ++i) {
          const double value = right[i] + (call.write == Write::add ? 1 : 0);
          const double slack =
              tolerance_of(dtype) *
              (pass == Pass::slope ? 3 + std::sqrt(static_cast<double>(row.size())) : 2);
          ASSERT_TRUE(is_near(out.at(row[i]), value, slack))
              << math::Rows::name_of(op) << " " << name_of(dtype) << " " << to_string(sizes)
              << " axis " << axis << ": " << out.at(row[i]) << ", not " << value;
        }
      }
    }
  }
}

TEST_P(Rows, SoftmaxAgreesWithItsDefinition) {
  std::mt19937 generator(1);
  expect_right(generator, math::Rows::id_of<math::Softmax>(), Pass::value,
               [](const View& x, const View&, const auto& row) {
                 std::vector<double> y;
                 const double all = log_sum_exp(x, row);
                 for (const std::int64_t i : row) y.push_back(std::exp(Array::read(x, i) - all));
                 return y;
               });
}

TEST_P(Rows, SoftmaxSlopeAgreesWithItsDefinition) {
  std::mt19937 generator(2);
  expect_right(generator, math::Rows::id_of<math::Softmax>(), Pass::slope,
               [](const View& y, const View& g, const auto& row) {
                 std::vector<double> dx;
                 double dot = 0;
                 for (const std::int64_t i : row) dot += Array::read(y, i) * Array::read(g, i);
                 for (const std::int64_t i : row)
                   dx.push_back(Array::read(y, i) * (Array::read(g, i) - dot));
                 return dx;
               });
}

TEST_P(Rows, LogSoftmaxAgreesWithItsDefinition) {
  std::mt19937 generator(3);
  expect_right(generator, math::Rows::id_of<math::LogSoftmax>(), Pass::value,
               [](const View& x, const View&, const auto& row) {
                 std::vector<double> y;
                 const double all = log_sum_exp(x, row);
                 for (const std::int64_t i : row) y.push_back(Array::read(x, i) - all);
                 return y;
               });
}

TEST_P(Rows, LogSoftmaxSlopeAgreesWithItsDefinition) {
  std::mt19937 generator(4);
  expect_right(generator, math::Rows::id_of<math::LogSoftmax>(), Pass::slope,
               [](const View& y, const View& g, const auto& row) {
                 std::vector<double> dx;
                 double sum = 0;
                 for (const std::int64_t i : row) sum += Array::read(g, i);
                 for (const std::int64_t i : row)
                   dx.push_back(Array::read(g, i) - std::exp(Array::read(y, i)) * sum);
                 return dx;
               });
}

struct Loss {
  Array x, target, weight, loss, log_sum, g, dx;

  Loss(DType dtype, std::int64_t n, std::int64_t classes, std::mt19937& generator)
      : x(dtype, {n, classes},
          {.order =
               random_int(generator, 0, 1) == 0 ? std::vector<int>{} : std::vector<int>{1, 0}}),
        target(DType::i64, {n}),
        weight(dtype, {n}),
        loss(dtype, {n}),
        log_sum(dtype, {n}),
        g(dtype, {n}),
        dx(dtype, {n, classes}) {
    x.fill_random(generator);
    weight.fill_random(generator, 0, 1);
    for (std::int64_t i = 0; i < n; ++i)
      target.set(i, random_int(generator, 0, static_cast<int>(classes) - 1));
  }
  RowsCall value(bool is_weighted) const {
    RowsCall call{.op = math::Rows::id_of<math::CrossEntropy>(), .axis = 1};
    call.in[0] = x.view(), call.in[1] = target.view();
    if (is_weighted) call.in[2] = weight.view();
    call.out[0] = loss.view(), call.out[1] = log_sum.view();
    return call;
  }
  RowsCall slope() const {
    RowsCall call{.op = math::Rows::id_of<math::CrossEntropy>(), .pass = Pass::slope, .axis = 1};
    call.in[0] = x.view(), call.in[1] = target.view(), call.in[2] = weight.view(),
    call.in[3] = log_sum.view();
    call.out[0] = dx.view();
    return call;
  }
};

TEST_P(Rows, CrossEntropyAndItsSlopeAgreeWithTheirDefinitions) {
  std::mt19937 generator(5);
  for (const DType dtype : floating) {
    for (const bool is_weighted : {false, true}) {
      for (int repeat = 0; repeat < 20; ++repeat) {
        const int n = random_int(generator, 0, 20),
                  classes = repeat % 5 == 0 ? 1000 : random_int(generator, 1, 40);
        const Loss each(dtype, n, classes, generator);
        run(each.value(is_weighted));
        run(each.slope());
        const auto rows = rows_of({n, classes}, 1);
        for (std::int64_t r = 0; r < n; ++r) {
          const auto& row = rows[static_cast<std::size_t>(r)];
          const double all = log_sum_exp(each.x.view(), row);
          const auto target = static_cast<std::int64_t>(each.target.at(r));
          const double loss =
              (is_weighted ? each.weight.at(r) : 1) * (all - each.x.at(r * classes + target));
          ASSERT_TRUE(is_near(each.loss.at(r), loss, 2 * tolerance_of(dtype)));
          ASSERT_TRUE(is_near(each.log_sum.at(r), all, tolerance_of(dtype)));
          for (std::int64_t c = 0; c < classes; ++c) {
            const double probability = std::exp(each.x.at(r * classes + c) - each.log_sum.at(r));
            const double dx = each.weight.at(r) * (probability - (c == target ? 1 : 0));
            ASSERT_TRUE(is_near(each.dx.at(r * classes + c), dx, tolerance_of(dtype)));
          }
        }
      }
    }
  }
}

TEST_P(Rows, OneGradientMayServeAllRows) {
  std::mt19937 generator(6);
  Loss each(DType::f32, 6, 9, generator);
  run(each.value(false));
  Array one(DType::f32, {1});
  one.fill(0.5);
  RowsCall call = each.slope();
  call.in[2] = one.view();
  call.in[2].sizes = {6};
  call.in[2].strides = {0};
  run(call);
  const double probability = std::exp(each.x.at(9) - each.log_sum.at(1));
  EXPECT_NEAR(each.dx.at(9), 0.5 * (probability - (each.target.at(1) == 0 ? 1 : 0)), 1e-6);
}

TEST_P(Rows, LargeElementsDoNotOverflow) {
  for (const int count : {3, 40}) {
    Array x(DType::f32, {1, count}), y(DType::f32, {1, count});
    x.fill(-1e30);
    x.set(1, 1e30);
    RowsCall call{.op = math::Rows::id_of<math::Softmax>(), .axis = 1};
    call.in[0] = x.view();
    call.out[0] = y.view();
    run(call);
    for (int i = 0; i < count; ++i) EXPECT_EQ(y.at(i), i == 1 ? 1 : 0);
  }
}

TEST_P(Rows, NanReachesItsRowOnly) {
  for (const DType dtype : floating) {
    for (const OpId op :
         {math::Rows::id_of<math::Softmax>(), math::Rows::id_of<math::LogSoftmax>()}) {
      for (const int count : {1, 10, 16, 37, 100}) {
        Array x(dtype, {3, count}), y(dtype, {3, count});
        x.set(count + count / 2, std::numeric_limits<double>::quiet_NaN());
        RowsCall call{.op = op, .axis = 1};
        call.in[0] = x.view();
        call.out[0] = y.view();
        run(call);
        for (int i = 0; i < 3 * count; ++i) EXPECT_EQ(y.at(i) != y.at(i), i / count == 1);
      }
    }
  }
}

TEST_P(Rows, BitsDoNotDependOnTheNumberOfThreadsExact) {
  std::mt19937 generator(7);
  Array x(DType::f32, {1000, 93});
  x.fill_random(generator);
  for (const int axis : {0, 1}) {
    std::vector<std::uint8_t> first;
    for (const int threads : {1, 2, 3}) {
      core::use_threads(threads);
      Array y(DType::f32, {1000, 93});
      RowsCall call{.op = math::Rows::id_of<math::Softmax>(), .axis = axis};
      call.in[0] = x.view();
      call.out[0] = y.view();
      run(call);
      if (threads == 1) first = y.bytes();
      EXPECT_EQ(y.bytes(), first);
    }
  }
  core::use_threads(1);
}

// A plain row for the shared mathematics: three inputs, one output, a target.
struct PlainRow {
  using Real = double;
  static constexpr bool keeps = true;
  std::vector<double> inputs[3];
  std::vector<double>* output;
  std::int64_t class_index = 0;
  double reals[4] = {};
  double* results = nullptr;

  std::int64_t count() const { return static_cast<std::int64_t>(inputs[0].size()); }
  double in(int k, std::int64_t i) const { return inputs[k][static_cast<std::size_t>(i)]; }
  void put(int, std::int64_t i, double value) const {
    (*output)[static_cast<std::size_t>(i)] = value;
  }
  void put(int k, double value) const { results[k] = value; }
  double kept(int, std::int64_t i) const { return (*output)[static_cast<std::size_t>(i)]; }
  bool has(int) const { return true; }
  double real(int k) const { return reals[k]; }
  double scalar(int) const { return 0.25; }
  std::int64_t whole(int) const { return class_index; }
};

template <class Op, int width> void expect_team_agrees(std::size_t count) {
  std::mt19937 generator(8);
  std::uniform_real_distribution<double> values(-2, 2);
  PlainRow row;
  for (auto& input : row.inputs) {
    for (std::size_t i = 0; i < count; ++i) input.push_back(values(generator));
  }
  row.class_index = static_cast<std::int64_t>(count / 2);
  row.reals[2] = 0.5, row.reals[3] = 1.5;
  for (const bool is_value : {true, false}) {
    std::vector<double> alone(count), team(count);
    double results[2][2] = {};
    const auto op_on = [&](const auto& lanes, const PlainRow& of) {
      is_value ? Op::value(lanes, of) : Op::slope(lanes, of);
    };
    row.output = &alone, row.results = results[0];
    op_on(math::SerialTeam{}, row);
    row.output = &team, row.results = results[1];
    testing::with_thread_team<width>([&](const auto& lanes) { op_on(lanes, row); });
    for (std::size_t i = 0; i < count; ++i) ASSERT_TRUE(is_near(team[i], alone[i], 1e-13));
    for (int k = 0; k < 2; ++k) ASSERT_NEAR(results[1][k], results[0][k], 1e-12);
  }
}

TEST(RowsOnTeams, ATeamOfThreadsComputesWhatOneThreadDoes) {
  for (const std::size_t count : {1, 2, 7, 33, 250}) {
    expect_team_agrees<math::Softmax, 1>(count);
    expect_team_agrees<math::Softmax, 8>(count);
    expect_team_agrees<math::LogSoftmax, 3>(count);
    expect_team_agrees<math::LogSoftmax, 8>(count);
    expect_team_agrees<math::CrossEntropy, 8>(count);
    expect_team_agrees<math::CrossEntropy, 16>(count);
    expect_team_agrees<math::LayerNorm, 8>(count);
  }
}

}  // namespace
}  // namespace lockstep::kernels
