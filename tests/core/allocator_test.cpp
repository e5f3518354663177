#include "lockstep/core/allocator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "lockstep/base/error.h"
#include "tests/support/failure.h"

namespace lockstep::core {
namespace {

using testing::HasSubstr;
using tests::failure_of;

Allocator& cpu() { return allocator(Device{}); }

TEST(Allocator, AlignsEveryBlockTo64Bytes) {
  for (std::size_t bytes = 0; bytes < 5'000'000; bytes = bytes * 3 / 2 + 1) {
    const Memory memory = cpu().allocate(bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory->data()) % alignment, 0U);
    EXPECT_GE(memory->bytes(), bytes);
    EXPECT_LE(memory->bytes(), bytes + bytes / 8 + alignment);
    std::memset(memory->data(), 1, memory->bytes());
  }
}

TEST(Allocator, GivesDistinctMemoryToLiveBlocks) {
  std::mt19937 random(1);
  std::vector<Memory> live;
  for (int i = 0; i < 300; ++i) {
    live.push_back(cpu().allocate(1 + random() % 3000));
    std::memset(live.back()->data(), i & 0xff, live.back()->bytes());
    if (random() % 3 == 0) live.erase(live.begin() + static_cast<int>(random() % live.size()));
  }
  for (const Memory& memory : live) {
    const auto* bytes = static_cast<const unsigned char*>(memory->data());
    EXPECT_EQ(std::count(bytes, bytes + memory->bytes(), bytes[0]),
              static_cast<std::ptrdiff_t>(memory->bytes()));
  }
}

TEST(Allocator, CountsWhatIsInUse) {
  const auto before = cpu().statistics();
  cpu().reset_peak();
  {
    const Memory memory = cpu().allocate(1 << 20);
    EXPECT_EQ(cpu().statistics().in_use, before.in_use + memory->bytes());
    const Memory same = memory;  // NOLINT: a second handle is no second block
    EXPECT_EQ(cpu().statistics().in_use, before.in_use + memory->bytes());
  }
  const auto after = cpu().statistics();
  EXPECT_EQ(after.in_use, before.in_use);
  EXPECT_EQ(after.requests, before.requests + 1);
  EXPECT_GE(after.peak_in_use, before.in_use + (1 << 20));
}

#ifndef __SANITIZE_ADDRESS__  // there blocks are not kept, so that every use after release is seen
TEST(Allocator, ReusesAFreedBlockOfTheSameSize) {
  for (const std::size_t bytes : {100UL, 70'000UL, 9'000'000UL}) {
    const void* place = cpu().allocate(bytes)->data();
    const auto before = cpu().statistics();
    EXPECT_EQ(cpu().allocate(bytes)->data(), place);
    EXPECT_EQ(cpu().allocate(bytes - 3)->data(), place);
    EXPECT_EQ(cpu().statistics().system_allocations, before.system_allocations);
  }
}

TEST(Allocator, GivesCachedBlocksBackWhenTrimmed) {
  cpu().allocate(5'000'000);
  EXPECT_GE(cpu().statistics().cached, 5'000'000U);
  cpu().trim();
  EXPECT_EQ(cpu().statistics().cached, 0U);
}
#endif

TEST(Allocator, SaysWhoHoldsWhatWhenThereIsNoMore) {
  const auto before = cpu().statistics();
  for (const std::size_t bytes : {std::size_t{1} << 46, std::size_t{1} << 60}) {
    const auto error = failure_of<DeviceError>([&] { cpu().allocate(bytes); });
    EXPECT_THAT(error.problem(), HasSubstr("cpu has no " + std::to_string(bytes) + " bytes more"));
    EXPECT_THAT(error.problem(), HasSubstr("bytes are in use by live tensors"));
    EXPECT_THAT(error.fix(), HasSubstr("smaller batch"));
  }
  EXPECT_EQ(cpu().statistics().in_use, before.in_use);
  EXPECT_NE(cpu().allocate(100)->data(), nullptr);
}

TEST(Allocator, ServesManyThreads) {
  const auto before = cpu().statistics();
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 4; ++seed) {
    threads.emplace_back([seed] {
      std::mt19937 random(seed);
      for (int i = 0; i < 2000; ++i) {
        const Memory memory = cpu().allocate(1 + random() % 20'000);
        std::memset(memory->data(), static_cast<int>(seed), 64);
        EXPECT_EQ(*static_cast<unsigned char*>(memory->data()), seed);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(cpu().statistics().in_use, before.in_use);
}

TEST(Allocator, RefusesADeviceWithoutBackend) {
  const auto error = failure_of<DeviceError>([] { allocator({DeviceType::cuda, 1}); });
  EXPECT_THAT(error.problem(), HasSubstr("cuda:1"));
}

}  // namespace
}  // namespace lockstep::core
