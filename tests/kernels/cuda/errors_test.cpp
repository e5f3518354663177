#include "kernels/cuda/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockstep/base/error.h"
#include "tests/support/failure.h"
#include "tests/support/fake_cuda.h"

namespace lockstep::kernels::cuda {
namespace {

TEST(CudaErrors, SuccessIsNone) {
  testing::FakeCuda fake;
  check(fake.runtime(), status::success, "cudaMalloc", 0, {});
}

TEST(CudaErrors, NameTheCallTheDeviceAndTheError) {
  testing::FakeCuda fake;
  const auto error =
      tests::failure_of<DeviceError>([&] { check(fake.runtime(), 1, "cudaEventRecord", 3, {}); });
  EXPECT_EQ(error.problem(), "cudaEventRecord failed on cuda:3: cudaErrorX (something is wrong)");
  EXPECT_EQ(fake.calls["cudaGetLastError"], 1) << "the next launch would report it once more";
}

TEST(CudaErrors, AfterAFaultNameTheLaunchesThatAreSuspected) {
  testing::FakeCuda fake;
  LaunchLog launches;
  for (const char* op : {"exp", "log", "tanh", "relu"}) launches.note("pointwise", op);
  launches.note("reduce", "");
  const auto error = tests::failure_of<DeviceError>(
      [&] { check(fake.runtime(), 700, "cudaStreamSynchronize", 0, launches); });
  EXPECT_EQ(error.problem(),
            "cudaStreamSynchronize failed on cuda:0: cudaErrorIllegalAddress (an illegal memory "
            "access was encountered); the device is lost to this process; last launches: "
            "pointwise log, pointwise tanh, pointwise relu, reduce");
  EXPECT_EQ(error.fix(),
            "start the program anew; with CUDA_LAUNCH_BLOCKING=1 the launch that is to blame fails "
            "itself");
}

TEST(CudaErrors, AreStickyAfterFaultsOnly) {
  for (const Status fault : {700, 702, 710, 714, 715, 716, 717, 718, 719}) {
    EXPECT_TRUE(is_sticky(fault)) << fault;
  }
  for (const Status other : {1, 2, 9, 35, 100, 400, 600, 701})
    EXPECT_FALSE(is_sticky(other)) << other;
}

}  // namespace
}  // namespace lockstep::kernels::cuda
