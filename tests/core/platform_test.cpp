#include "lockstep/core/platform.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "lockstep/base/error.h"
#include "tests/support/environment.h"
#include "tests/support/failure.h"

namespace lockstep::core {
namespace {

using tests::failure_of;

constexpr Device second{DeviceType::cuda, 1};

// A plug-in of two devices (tests/core/fake_plugin.cpp) stands in for CUDA's.
class FakePlatform : public ::testing::Test {
  tests::Environment plugin_{
      "LOCKSTEP_CUDA_PLUGIN",
      std::filesystem::read_symlink("/proc/self/exe").parent_path() / "libfake_plugin_platform.so"};
};

TEST_F(FakePlatform, IsFoundBySettingAndAsked) {
  EXPECT_STREQ(platform(DeviceType::cuda).description(), "two devices");
  EXPECT_EQ(platform(second).devices(), 2);
}

TEST_F(FakePlatform, GivesTheStreamOfEachRole) {
  EXPECT_EQ(&current_stream(second), &stream_of(second, StreamRole::compute));
  EXPECT_NE(&current_stream(second), &stream_of(second, StreamRole::copy));
}

TEST_F(FakePlatform, GivesTheAllocatorOfItsDevices) {
  EXPECT_EQ(failure_of<DeviceError>([] { allocator(second); }).problem(), "no memory");
}

TEST_F(FakePlatform, RefusesAnIndexThatNoDeviceHas) {
  for (const std::int32_t index : {2, -1}) {
    const auto error = failure_of<DeviceError>([&] { allocator({DeviceType::cuda, index}); });
    EXPECT_EQ(error.problem(),
              "cuda:" + std::to_string(index) + " does not exist: 2 CUDA devices are visible");
    EXPECT_EQ(error.fix(), "use cuda:0 to cuda:1, or change CUDA_VISIBLE_DEVICES");
  }
}

TEST(Platform, OfTheCpuIsAMistake) {
  EXPECT_EQ(failure_of<UsageError>([] { platform(Device{}); }).problem(),
            "platform: the cpu has none");
}

}  // namespace
}  // namespace lockstep::core
