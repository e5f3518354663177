// Drives every row of tests/support/op_cases.h through the same tests.
#include <gtest/gtest.h>

#include <cmath>

#include "lockstep/autograd/backward.h"
#include "lockstep/autograd/gradcheck.h"
#include "lockstep/autograd/parameter.h"
#include "lockstep/base/error.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"
#include "tests/support/op_cases.h"
#include "tests/support/other_device.h"

namespace lockstep::testing {
namespace {

constexpr std::uint32_t seed = 20260101;

enum class Layout { contiguous, reversed, strided };

// `values` in the wanted order in memory.
Tensor laid_out(const Tensor& values, Layout layout) {
  if (layout == Layout::contiguous || values.rank() == 0) return values;
  Shape sizes = values.shape();
  if (layout == Layout::strided) {
    sizes[sizes.rank() - 1] *= 2;
    const Tensor wide = full(sizes, 1, {.dtype = values.dtype()});
    Tensor view = sliced_view(wide, -1, 0, sizes[sizes.rank() - 1], 2);
    copy_elements(values, view);
    return view;
  }
  Shape order = sizes;
  for (int axis = 0; axis < sizes.rank(); ++axis) {
    order[axis] = sizes.rank() - 1 - axis;
    sizes[axis] = values.shape()[sizes.rank() - 1 - axis];
  }
  Tensor view = permuted_view(empty(sizes, {.dtype = values.dtype()}), order);
  copy_elements(values, view);
  return view;
}

Dense dense(const Tensor& x) {
  Dense out(x.shape());
  out.values = x.to_vector<double>();
  return out;
}

// What the argument is where the others are of `dtype`.
DType dtype_of(const Argument& argument, DType dtype) {
  if (argument.kind == Kind::index) return DType::i64;
  return argument.is_f32_beside_halves && is_half_precision(dtype) ? DType::f32 : dtype;
}

Tensor made(const Argument& argument, DType dtype, std::mt19937& generator) {
  std::vector<double> values(static_cast<std::size_t>(argument.shape.elements()));
  const bool is_index = argument.kind == Kind::index;
  for (double& value : values) {
    const double unit = static_cast<double>(generator()) * 0x1p-32;
    value = argument.low + unit * (argument.high - argument.low);
    // Rounded to f32 first, so that f32 and f64 tests see the same values.
    value = is_index ? std::floor(value) : static_cast<double>(static_cast<float>(value));
  }
  return tensor(values, argument.shape, {.dtype = dtype_of(argument, dtype)});
}

Tensors made(const Arguments& arguments, DType dtype, std::uint32_t from = seed) {
  std::mt19937 generator(from);
  Tensors tensors;
  for (const Argument& each : arguments) tensors.push_back(made(each, dtype, generator));
  return tensors;
}

bool has_gradient_for(const OpCase& row, const Argument& argument) {
  return row.is_differentiable && argument.kind == Kind::real;
}

// A weight for each element of the result, so that no slope cancels.
Tensor seed_for(const Tensor& y) {
  std::mt19937 generator(7);
  return made({y.shape(), Kind::constant, 0.5, 1.5}, y.dtype(), generator);
}

struct Outcome {
  Tensor value;
  Tensors gradients;
};

struct Setting {
  DType dtype = DType::f64;
  Layout layout = Layout::contiguous;
  std::uint32_t from = seed;
  DType rounding = DType::f64;  // values are rounded to it first
};

Outcome outcome(const OpCase& row, const Arguments& arguments, const Setting& setting = {}) {
  Tensors leaves = made(arguments, setting.rounding, setting.from);
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    leaves[i] = copied(leaves[i], dtype_of(arguments[i], setting.dtype));
    leaves[i] = laid_out(leaves[i], setting.layout);
    if (has_gradient_for(row, arguments[i])) require_grad(leaves[i]);
  }
  Outcome result{row.call(leaves), {}};
  if (!row.is_differentiable) return result;
  backward(result.value, laid_out(seed_for(result.value), setting.layout));
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    result.gradients.push_back(has_gradient_for(row, arguments[i]) ? gradient(leaves[i])
                                                                   : Tensor());
  }
  return result;
}

void expect_near(const Dense& actual, const Dense& expected, double tolerance, const char* what) {
  ASSERT_EQ(to_string(actual.shape), to_string(expected.shape)) << what;
  double largest = 1;
  for (const double value : expected.values) {
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
  }
  for (std::int64_t i = 0; i < actual.size(); ++i) {
    if (std::isnan(expected[i]) && std::isnan(actual[i])) continue;
    ASSERT_NEAR(actual[i], expected[i], tolerance * largest) << what << ", element " << i;
  }
}

double tolerance_of(const OpCase& row, DType dtype) {
  return dtype == DType::f64 ? 1e-12 : row.tolerance;
}

void expect_reference(const OpCase& row, const Arguments& arguments, DType dtype,
                      std::uint32_t from = seed) {
  const Tensors tensors = made(arguments, dtype, from);
  std::vector<Dense> in;
  for (const Tensor& each : tensors) in.push_back(dense(each));
  const Tensor actual = row.call(tensors);
  expect_near(dense(actual), row.reference(in), tolerance_of(row, dtype), "value");
}

std::vector<Arguments> random_arguments(const OpCase& row, int count) {
  std::mt19937 generator(seed);
  std::vector<Arguments> all;
  for (int i = 0; i < count && row.random; ++i) all.push_back(row.random(generator));
  return all;
}

class OpTable : public ::testing::TestWithParam<OpCase> {};

TEST_P(OpTable, EqualsItsReference) {
  for (const DType dtype : {DType::f32, DType::f64}) {
    SCOPED_TRACE(name_of(dtype));
    for (const Arguments& arguments : GetParam().inputs) {
      expect_reference(GetParam(), arguments, dtype);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(OpTable, EqualsItsReferenceOnRandomShapes) {
  std::uint32_t round = seed;
  for (const Arguments& arguments : random_arguments(GetParam(), 12)) {
    SCOPED_TRACE(to_string(arguments[0].shape));
    for (const DType dtype : {DType::f32, DType::f64}) {
      expect_reference(GetParam(), arguments, dtype, ++round);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(OpTable, HasTheGradientOfFiniteDifferences) {
  const OpCase& row = GetParam();
  std::vector<Arguments> inputs = row.inputs;
  for (const Arguments& each : random_arguments(row, 3)) inputs.push_back(each);
  for (const Arguments& arguments : inputs) {
    if (!row.is_differentiable) continue;
    SCOPED_TRACE(to_string(arguments[0].shape));
    const Tensors all = made(arguments, DType::f64);
    Tensors leaves;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (has_gradient_for(row, arguments[i])) leaves.push_back(all[i]);
    }
    const auto f = [&](const Tensors& moving) {
      Tensors together = all;
      std::size_t next = 0;
      for (std::size_t i = 0; i < all.size(); ++i) {
        if (has_gradient_for(row, arguments[i])) together[i] = moving[next++];
      }
      return row.call(together);
    };
    const GradcheckResult result = gradcheck(f, leaves);
    EXPECT_TRUE(result.is_correct) << result.difference;
  }
}

TEST_P(OpTable, HasTheSameGradientsInBothPrecisions) {
  const OpCase& row = GetParam();
  std::uint32_t round = seed;
  for (const Arguments& arguments : random_arguments(row, 8)) {
    SCOPED_TRACE(to_string(arguments[0].shape));
    ++round;
    const Outcome single = outcome(row, arguments, {.dtype = DType::f32, .from = round});
    const Outcome twice = outcome(row, arguments, {.from = round});
    for (std::size_t i = 0; i < single.gradients.size(); ++i) {
      if (!single.gradients[i]) continue;
      expect_near(dense(single.gradients[i]), dense(twice.gradients[i]), 10 * row.tolerance,
                  "gradient");
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(OpTable, DoesNotCareAboutLayout) {
  const OpCase& row = GetParam();
  for (const Arguments& arguments : row.inputs) {
    const Outcome plain = outcome(row, arguments);
    for (const Layout layout : {Layout::reversed, Layout::strided}) {
      const Outcome other = outcome(row, arguments, {.layout = layout});
      expect_near(dense(other.value), dense(plain.value), 1e-13, "value");
      for (std::size_t i = 0; i < plain.gradients.size(); ++i) {
        if (!plain.gradients[i]) continue;
        expect_near(dense(other.gradients[i]), dense(plain.gradients[i]), 1e-12, "gradient");
      }
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(OpTable, TakesEmptyInputs) {
  if (GetParam().empty.empty()) return;
  for (const DType dtype : {DType::f32, DType::f64}) {
    expect_reference(GetParam(), GetParam().empty, dtype);
    const Outcome result = outcome(GetParam(), GetParam().empty, {.dtype = dtype});
    for (std::size_t i = 0; i < result.gradients.size(); ++i) {
      if (!result.gradients[i]) continue;
      EXPECT_EQ(to_string(result.gradients[i].shape()), to_string(GetParam().empty[i].shape));
      for (const double value : result.gradients[i].to_vector<double>()) EXPECT_EQ(value, 0);
    }
  }
}

// Gradients add up where a leaf is used more than once.
TEST_P(OpTable, AddsToTheGradientOfAnEarlierUse) {
  const OpCase& row = GetParam();
  if (!row.is_differentiable) return;
  for (const Arguments& arguments : row.inputs) {
    const Outcome once = outcome(row, arguments);
    Tensors leaves = made(arguments, DType::f64);
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      if (has_gradient_for(row, arguments[i])) require_grad(leaves[i]);
    }
    for (int use = 0; use < 2; ++use) {
      const Tensor y = row.call(leaves);
      backward(y, seed_for(y));
    }
    for (std::size_t i = 0; i < leaves.size(); ++i) {
      if (!once.gradients[i]) continue;
      Dense twice = dense(once.gradients[i]);
      for (double& value : twice.values) value *= 2;
      expect_near(dense(gradient(leaves[i])), twice, 1e-12, "gradient");
    }
  }
}

// Whether an argument of this dtype is fine beside others of f32.
bool is_welcome(const OpCase& row, const Arguments& arguments, std::size_t i, DType dtype) {
  if (arguments[i].kind == Kind::index) return false;
  int others = -1;
  for (const Argument& each : arguments) others += each.kind == Kind::index ? 0 : 1;
  if (others > 0) return false;
  return dtype == DType::f64 || (dtype == DType::i32 && row.takes_integers) || row.takes_bool;
}

TEST_P(OpTable, RefusesMixedAndUnfitDTypes) {
  const OpCase& row = GetParam();
  const Arguments& arguments = row.inputs[0];
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    for (const DType dtype : {DType::boolean, DType::i32, DType::f64}) {
      if (is_welcome(row, arguments, i, dtype)) continue;
      Tensors tensors = made(arguments, DType::f32);
      tensors[i] = copied(tensors[i], dtype);
      try {
        row.call(tensors);
        ADD_FAILURE() << "argument " << i << " was accepted as " << name_of(dtype);
      } catch (const DTypeError& error) {
        EXPECT_EQ(error.problem().rfind(row.op + ": ", 0), 0U) << error.problem();
        EXPECT_NE(error.problem().find(name_of(dtype)), std::string::npos) << error.problem();
        EXPECT_FALSE(error.fix().empty());
      }
    }
  }
}

TEST_P(OpTable, ComputesWithIntegers) {
  const OpCase& row = GetParam();
  if (!row.takes_integers) return;
  for (const DType dtype : {DType::i64, DType::i32, DType::i8, DType::u8}) {
    SCOPED_TRACE(name_of(dtype));
    for (Arguments arguments : row.inputs) {
      for (Argument& each : arguments) {
        if (each.kind == Kind::real) each = {each.shape, each.kind, 2, 6};
      }
      Tensors tensors = made(arguments, DType::f64);
      std::vector<Dense> in;
      for (std::size_t i = 0; i < tensors.size(); ++i) {
        if (arguments[i].kind != Kind::index) tensors[i] = copied(tensors[i], dtype);
        in.push_back(dense(tensors[i]));
      }
      Dense expected = row.reference(in);
      const Tensor actual = row.call(tensors);
      // Unsigned results wrap around.
      for (double& value : expected.values) {
        if (actual.dtype() == DType::u8 && value < 0) value += 256;
      }
      expect_near(dense(actual), expected, 0, "value");
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(OpTable, ComputesInHalfPrecision) {
  const OpCase& row = GetParam();
  if (!row.takes_halves) return;
  for (const DType dtype : {DType::f16, DType::bf16}) {
    SCOPED_TRACE(name_of(dtype));
    for (const Arguments& arguments : row.inputs) {
      const Outcome half = outcome(row, arguments, {.dtype = dtype, .rounding = dtype});
      Tensors tensors = made(arguments, dtype);
      std::vector<Dense> in;
      for (const Tensor& each : tensors) in.push_back(dense(each));
      const double step = dtype == DType::f16 ? 0x1p-10 : 0x1p-7;
      expect_near(dense(half.value), row.reference(in), step, "value");
      const Outcome exact = outcome(row, arguments, {.rounding = dtype});
      for (std::size_t i = 0; i < half.gradients.size(); ++i) {
        if (!half.gradients[i]) continue;
        EXPECT_EQ(half.gradients[i].dtype(), dtype_of(arguments[i], dtype));
        expect_near(dense(half.gradients[i]), dense(exact.gradients[i]), 16 * step, "gradient");
      }
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(OpTable, RefusesAnUndefinedTensor) {
  const OpCase& row = GetParam();
  Tensors tensors = made(row.inputs[0], DType::f32);
  tensors[0] = Tensor();
  try {
    row.call(tensors);
    FAIL() << "an undefined tensor was accepted";
  } catch (const UsageError& error) {
    EXPECT_EQ(error.problem().rfind(row.op + ": ", 0), 0U) << error.problem();
    EXPECT_NE(error.problem().find("undefined"), std::string::npos) << error.problem();
  }
}

TEST_P(OpTable, RefusesTensorsOnTwoDevices) {
  const OpCase& row = GetParam();
  for (std::size_t i = 1; i < row.inputs[0].size(); ++i) {
    Tensors tensors = made(row.inputs[0], DType::f32);
    tensors[i] = tests::on_other_device(tensors[i]);
    try {
      row.call(tensors);
      FAIL() << "argument " << i << " on another device was accepted";
    } catch (const DeviceError& error) {
      EXPECT_EQ(error.problem(), row.op + ": tensors on cpu and cuda:1");
      EXPECT_EQ(error.fix(), "move all arguments to one device");
    }
  }
}

TEST_P(OpTable, LetsNanThrough) {
  const OpCase& row = GetParam();
  if (row.hides_nan) return;
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const Arguments& arguments : row.inputs) {
      Tensors tensors = made(arguments, dtype);
      fill_elements(tensors[0], std::nan(""));
      bool is_nan = false;
      for (const double value : row.call(tensors).to_vector<double>()) is_nan |= std::isnan(value);
      EXPECT_TRUE(is_nan) << to_string(arguments[0].shape);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, OpTable, ::testing::ValuesIn(all_cases()),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace lockstep::testing
