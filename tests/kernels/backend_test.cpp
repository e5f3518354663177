#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>

#include "kernels/math/pointwise.h"
#include "kernels/math/rows.h"
#include "lockstep/base/error.h"
#include "lockstep/kernels/registry.h"
#include "tests/support/arrays.h"
#include "tests/support/failure.h"

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

bool is_loaded(const std::string& name) {
  std::ifstream maps("/proc/self/maps");
  const std::string all{std::istreambuf_iterator<char>(maps), {}};
  return all.find(name) != std::string::npos;
}

TEST(Backend, OfTheCpuOpensNoOtherPlugin) {
  EXPECT_TRUE(backend_status(DeviceType::cpu).is_available);
  EXPECT_TRUE(is_loaded("liblockstep_cpu_"));
  EXPECT_FALSE(is_loaded("liblockstep_cuda"));
}

TEST(Backend, OfCudaServesOrSaysWhyNot) {
  const BackendStatus status = backend_status(DeviceType::cuda);
  if (status.is_available) {
    EXPECT_NO_THROW(backend({DeviceType::cuda, 0}));
    return;
  }
  const auto error = tests::failure_of<DeviceError>([] { backend({DeviceType::cuda, 0}); });
  EXPECT_THAT(error.problem(),
              ::testing::ContainsRegex("^cuda:0 is not available: plug-in .*liblockstep_cuda.so: "
                                       "(not found; tried |cannot serve: |cannot be opened: )."));
  EXPECT_THAT(error.fix(), ::testing::StartsWith("use the device cpu; for CUDA "));
}

TEST(Backend, ListsWhatItFound) {
  const auto found = backends();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_TRUE(found[0].is_available) << found[0].description;
  EXPECT_EQ(found[1].name, "cuda");
  EXPECT_FALSE(found[1].description.empty());
}

}  // namespace
}  // namespace lockstep::kernels
