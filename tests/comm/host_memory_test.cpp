#include "src/comm/host_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockstep/base/error.h"
#include "src/comm/shm_segment.h"
#include "tests/support/scratch.h"

namespace lockstep::tests {
namespace {

using comm::available_memory;
using testing::AllOf;
using testing::HasSubstr;

// A made-up root folder of a system.
class HostMemory : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    const auto path = scratch_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  comm::MemoryLimit limit() const { return available_memory(scratch_.folder().string()); }

 private:
  Scratch scratch_;
};

TEST_F(HostMemory, IsWhatTheSystemHasLeft) {
  write("proc/meminfo", "MemTotal: 4000 kB\nMemFree: 5 kB\nMemAvailable:    1000 kB\nSwap: 7 kB\n");
  EXPECT_EQ(limit().bytes, 1000U << 10U);
  EXPECT_EQ(limit().from, "MemAvailable in /proc/meminfo");
}

TEST_F(HostMemory, IsNotLimitedWhereNothingIsKnown) { EXPECT_EQ(limit().bytes, ~std::uint64_t{0}); }

TEST_F(HostMemory, IsWhatAControlGroupOfVersionTwoLeaves) {
  write("proc/meminfo", "MemAvailable: 1000000 kB\n");
  write("proc/self/cgroup", "0::/job/step\n");
  write("sys/fs/cgroup/job/step/memory.max", "5000\n");
  write("sys/fs/cgroup/job/step/memory.current", "3000\n");
  EXPECT_EQ(limit().bytes, 2000U);
  EXPECT_THAT(limit().from, HasSubstr("sys/fs/cgroup/job/step/memory.max"));
}

TEST_F(HostMemory, IsWhatTheTightestGroupAboveLeaves) {
  write("proc/self/cgroup", "0::/job/step\n");
  write("sys/fs/cgroup/job/step/memory.max", "max\n");
  write("sys/fs/cgroup/job/step/memory.current", "10\n");
  write("sys/fs/cgroup/job/memory.max", "700\n");
  write("sys/fs/cgroup/job/memory.current", "600\n");
  EXPECT_EQ(limit().bytes, 100U);
}

TEST_F(HostMemory, IsWhatAControlGroupOfVersionOneLeaves) {
  write("proc/self/cgroup", "9:cpu:/\n4:memory:/box\n0::/\n");
  write("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "9000\n");
  write("sys/fs/cgroup/memory/box/memory.usage_in_bytes", "4000\n");
  EXPECT_EQ(limit().bytes, 5000U);
}

TEST_F(HostMemory, CountsCachedFilesAsFree) {
  write("proc/self/cgroup", "0::/job\n");
  write("sys/fs/cgroup/job/memory.max", "5000\n");
  write("sys/fs/cgroup/job/memory.current", "4000\n");
  write("sys/fs/cgroup/job/memory.stat", "anon 1500\ninactive_file 2000\nactive_file 500\n");
  EXPECT_EQ(limit().bytes, 3500U);
}

TEST_F(HostMemory, IsNothingInAGroupThatIsFull) {
  write("proc/self/cgroup", "0::/job\n");
  write("sys/fs/cgroup/job/memory.max", "5000\n");
  write("sys/fs/cgroup/job/memory.current", "6000\n");
  EXPECT_EQ(limit().bytes, 0U);
}

TEST(ShmSegment, ALackOfMemorySaysHowMuchIsLeftAndWhereThatIsWritten) {
  try {
    comm::require_memory(2000, "memory of 4 ranks", {1999, "/sys/fs/cgroup/job/memory.max"});
    FAIL() << "nothing was thrown";
  } catch (const DeviceError& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("memory of 4 ranks needs 2000 bytes on this host, 1999 are left "
                                "(/sys/fs/cgroup/job/memory.max)"),
                      HasSubstr("fix:   use a smaller model, fewer ranks on this host")));
  }
  EXPECT_NO_THROW(comm::require_memory(2000, "memory of 4 ranks", {2000, ""}));
}

TEST(ShmSegment, IsZeroedReservedAndAligned) {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{5000}, std::size_t{3} << 20}) {
    const comm::ShmSegment segment = comm::ShmSegment::made(bytes);
    EXPECT_GE(segment.bytes(), bytes);
    EXPECT_EQ(
        reinterpret_cast<std::uintptr_t>(segment.data()) % comm::ShmSegment::address_alignment, 0U);
    for (std::size_t i = 0; i < bytes; i += 511) ASSERT_EQ(segment.data()[i], std::byte{0});
  }
}

TEST(ShmSegment, ASecondMappingSeesWhatTheFirstWrites) {
  const comm::ShmSegment first = comm::ShmSegment::made(10'000);
  const comm::ShmSegment second =
      comm::ShmSegment::received(FileDescriptor(::dup(first.descriptor())), 10'000);
  first.data()[9'999] = std::byte{7};
  EXPECT_NE(first.data(), second.data());
  EXPECT_EQ(second.data()[9'999], std::byte{7});
}

}  // namespace
}  // namespace lockstep::tests
