#include "src/comm/device_choice.h"

#include <gtest/gtest.h>

#include "tests/support/failure.h"

namespace lockstep::comm {
namespace {

using Seen = std::vector<std::vector<std::int64_t>>;

TEST(DeviceChoice, RanksOfAHostShareOutItsDevicesInOrder) {
  EXPECT_EQ(chosen_devices(Seen{{11, 12, 13}, {11, 12, 13}, {11, 12, 13}}, false),
            (std::vector{0, 1, 2}));
}

TEST(DeviceChoice, RanksOfEachHostBeginAnew) {
  EXPECT_EQ(chosen_devices(Seen{{11, 12}, {21, 22}, {11, 12}, {21, 22}}, false),
            (std::vector{0, 0, 1, 1}));
}

TEST(DeviceChoice, RanksThatASchedulerHasBoundTakeTheirOwn) {
  EXPECT_EQ(chosen_devices(Seen{{11}, {12}, {14, 13}, {13, 14}}, false), (std::vector{0, 0, 0, 0}));
}

TEST(DeviceChoice, TwoRanksOnOneDeviceAreRefused) {
  const auto error = tests::failure_of<DeviceError>([] {
    chosen_devices(Seen{{11, 12}, {11, 12}, {11, 12}}, false);
  });
  EXPECT_EQ(error.problem(),
            "World: no CUDA device is left for rank 2; it sees 2, and other ranks have them");
  EXPECT_EQ(error.fix(),
            "start no more ranks on a host than it has devices; to try things out, "
            "LOCKSTEP_ALLOW_GPU_SHARING=1 lets ranks share them");
}

TEST(DeviceChoice, ShareTheLeastUsedWhereThatIsAllowed) {
  EXPECT_EQ(chosen_devices(Seen{{11, 12}, {11, 12}, {11, 12}, {11, 12}, {12}}, true),
            (std::vector{0, 1, 0, 1, 0}));
}

TEST(DeviceChoice, ARankWithoutADeviceIsNamed) {
  EXPECT_EQ(tests::failure_of<DeviceError>([] {
              chosen_devices(Seen{{11}, {}}, true);
            }).problem(),
            "World: rank 1 sees no CUDA device");
}

}  // namespace
}  // namespace lockstep::comm
