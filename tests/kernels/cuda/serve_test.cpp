#include "kernels/cuda/serve.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/support/fake_cuda.h"

namespace lockstep::kernels::cuda {
namespace {

constexpr const char* built = "80-real,90";

std::string reason(testing::FakeCuda& fake) { return reason_not_to_serve(fake.runtime(), built); }

TEST(CudaServe, MachineCodeRunsOnItsMajorVersionAndPtxOnAllThatIsNewer) {
  EXPECT_TRUE(has_code_for(built, 8, 0));
  EXPECT_TRUE(has_code_for(built, 8, 9));
  EXPECT_TRUE(has_code_for(built, 9, 0));
  EXPECT_TRUE(has_code_for(built, 10, 0));  // from the PTX of 90
  EXPECT_TRUE(has_code_for(built, 12, 1));
  EXPECT_FALSE(has_code_for(built, 7, 5));
  EXPECT_FALSE(has_code_for("80-real", 9, 0));
  EXPECT_FALSE(has_code_for("86-real", 8, 0));
  EXPECT_TRUE(has_code_for("80-virtual", 8, 6));
  EXPECT_TRUE(has_code_for("90a-real", 9, 0));
  EXPECT_FALSE(has_code_for("90a", 10, 0));
  EXPECT_FALSE(has_code_for("", 8, 0));
}

TEST(CudaServe, FindsNothingWrongWithAFittingDevice) {
  testing::FakeCuda fake;
  EXPECT_EQ(reason(fake), "");
}

TEST(CudaServe, SaysThatThereIsNoDriver) {
  testing::FakeCuda fake;
  fake.driver = 0;
  fake.failures["cudaGetDeviceCount"] = status::insufficient_driver;
  EXPECT_EQ(reason(fake), "no NVIDIA driver is installed on this machine");
  EXPECT_EQ(fake.calls["cudaGetLastError"], 1) << "the error must not meet the next caller";
}

TEST(CudaServe, SaysHowOldTheDriverIs) {
  testing::FakeCuda fake;
  fake.driver = 12040;
  fake.failures["cudaGetDeviceCount"] = status::insufficient_driver;
  EXPECT_EQ(reason(fake),
            "the NVIDIA driver is too old: it supports CUDA 12.4, this build needs CUDA 13.0");
}

TEST(CudaServe, SaysThatNoDeviceIsVisible) {
  testing::FakeCuda fake;
  fake.failures["cudaGetDeviceCount"] = status::no_device;
  EXPECT_EQ(reason(fake), "the driver shows no CUDA device (CUDA_VISIBLE_DEVICES may hide them)");
  fake.devices.clear();
  EXPECT_EQ(reason(fake), "the driver shows no CUDA device (CUDA_VISIBLE_DEVICES may hide them)");
}

TEST(CudaServe, NamesADeviceForWhichThereIsNoCode) {
  testing::FakeCuda fake;
  DeviceProperties old;
  std::strcpy(old.name, "Tesla T4");
  old.major = 7;
  old.minor = 5;
  fake.devices.push_back(old);
  EXPECT_EQ(reason(fake),
            "device 1 (Tesla T4) has compute capability 7.5, and this build has code for "
            "80-real,90; build with it in LOCKSTEP_CUDA_ARCHITECTURES, or hide the device "
            "(CUDA_VISIBLE_DEVICES)");
}

TEST(CudaServe, PassesOnWhatTheRuntimeSaysOfOtherFailures) {
  testing::FakeCuda fake;
  fake.failures["cudaGetDeviceCount"] = 999;
  EXPECT_EQ(reason(fake), "cudaGetDeviceCount failed: cudaErrorX (something is wrong)");
}

}  // namespace
}  // namespace lockstep::kernels::cuda
