#include "lockstep/core/device.h"

#include <gtest/gtest.h>

#include "lockstep/base/error.h"
#include "tests/support/failure.h"

namespace lockstep {
namespace {

TEST(Device, IsFoundByTheNameThatItHas) {
  for (const Device& device : {Device{}, Device{DeviceType::cuda, 0}, Device{DeviceType::cuda, 13}})
    EXPECT_EQ(device_named(name_of(device)), device);
  EXPECT_EQ(device_named("cuda"), (Device{DeviceType::cuda, 0}));
}

TEST(Device, OfAnotherNameIsRefused) {
  for (const char* name : {"", "gpu", "cpu:0", "cuda:", "cuda:-1", "cuda:1x", "cuda:99999999999"}) {
    const auto error = tests::failure_of<UsageError>([&] { device_named(name); });
    EXPECT_EQ(error.problem(), "device_named: \"" + std::string(name) + "\" is not a device");
    EXPECT_EQ(error.fix(), "use cpu, cuda or cuda:N");
  }
}

}  // namespace
}  // namespace lockstep
