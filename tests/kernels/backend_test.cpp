#include <gtest/gtest.h>

#include <cmath>

#include "kernels/math/pointwise.h"
#include "kernels/math/rows.h"
#include "lockstep/base/error.h"
#include "lockstep/kernels/registry.h"
#include "tests/support/arrays.h"

namespace lockstep::kernels {
namespace {

using testing::Array;

TEST(Backend, AddsABroadcastRow) {
  Array a(DType::f32, {2, 3}), b(DType::f32, {1, 3}), out(DType::f32, {2, 3});
  for (int i = 0; i < 6; ++i) a.set(i, i);
  for (int i = 0; i < 3; ++i) b.set(i, 10 * i);
  PointwiseCall call{.op = math::Pointwise::id_of<math::Add>()};
  call.in[0] = a.view();
  call.in[1] = b.view();
  call.in[1].sizes[0] = 2;
  call.in[1].strides[0] = 0;
  call.out = out.view();
  backend({}).pointwise(call, core::current_stream({}));
  EXPECT_EQ(out.values(), (std::vector<double>{0, 11, 22, 3, 14, 25}));
}

TEST(Backend, MultipliesMatrices) {
  Array a(DType::f32, {2, 2}), b(DType::f32, {2, 2}), out(DType::f32, {2, 2});
  for (int i = 0; i < 4; ++i) a.set(i, i), b.set(i, i + 1);
  backend({}).gemm({.a = a.view(), .b = b.view(), .out = out.view()}, core::current_stream({}));
  EXPECT_EQ(out.values(), (std::vector<double>{3, 4, 11, 16}));
}

TEST(Backend, SoftmaxOfEqualElementsIsUniform) {
  for (const int count : {1, 5, 16, 37}) {
    Array x(DType::f32, {2, count}), y(DType::f32, {2, count});
    x.fill(3);
    RowsCall call{.op = math::Rows::id_of<math::Softmax>(), .axis = 1};
    call.in[0] = x.view();
    call.out[0] = y.view();
    backend({}).rows(call, core::current_stream({}));
    for (const double value : y.values()) EXPECT_FLOAT_EQ(value, 1.0 / count);
  }
}

TEST(Backend, SaysWhyThereIsNoCudaDevice) {
  try {
    backend({DeviceType::cuda, 0});
    FAIL();
  } catch (const DeviceError& error) {
    EXPECT_EQ(error.problem(), "backend: cuda:0 cannot serve: this build has no CUDA backend");
    EXPECT_EQ(error.fix(), "use the device cpu");
  }
}

TEST(Backend, ListsWhatItFound) {
  const auto found = backends();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_TRUE(found[0].is_available) << found[0].description;
  EXPECT_FALSE(found[1].is_available);
}

}  // namespace
}  // namespace lockstep::kernels
