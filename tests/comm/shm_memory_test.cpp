// Memory that ranks of a host share: how long it lives, and what happens without it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "lockstep/base/error.h"
#include "tests/support/shared_memory.h"

namespace lockstep::tests {
namespace {

using comm::Communicator;
using testing::AllOf;
using testing::HasSubstr;

int shared_mappings() {
  std::ifstream maps("/proc/self/maps");
  int found = 0;
  for (std::string line; std::getline(maps, line);)
    if (line.find("memfd:lockstep") != std::string::npos) ++found;
  return found;
}

TEST(ShmMemory, MemoryGoesOnceNoRankUsesIt) {
  const int before = shared_mappings();
  int within[2] = {};
  on_shared_memory(2, [&](Communicator& ranks) {
    const core::Memory kept = ranks.allocate(100);
    for (int repeat = 0; repeat < 10; ++repeat) {
      const core::Memory memory = ranks.allocate(10'000);
      ranks.barrier();
    }
    ranks.barrier();
    ranks.barrier();
    within[ranks.rank()] = shared_mappings() - before;
    ranks.barrier();
  });
  EXPECT_LE(within[0], 1 + 2 + 2);  // the board, and of each rank what is kept and the latest
  EXPECT_EQ(shared_mappings(), before);
}

TEST(ShmMemory, APieceThatStaysDoesNotCountThoseThatCameAndWent) {
  on_shared_memory(2, [](Communicator& ranks) {
    const core::Memory kept = ranks.allocate(100);
    std::memset(kept->data(), 7, 100);
    for (int piece = 0; piece < 1100; ++piece) ranks.allocate(10);
    EXPECT_EQ(static_cast<const char*>(kept->data())[99], 7);
  });
}

TEST(ShmMemory, TooManyPiecesAreAnErrorOnEveryRank) {
  on_shared_memory(2, [](Communicator& ranks) {
    std::vector<core::Memory> pieces;
    try {
      while (pieces.size() < 2000) pieces.push_back(ranks.allocate(10));
      ADD_FAILURE() << "nothing was thrown";
    } catch (const DeviceError& error) {
      EXPECT_THAT(error.what(), HasSubstr("rank 0: 1024 pieces of shared memory are in use"));
    }
    EXPECT_EQ(pieces.size(), 1024U);
    ranks.barrier();
    pieces.clear();
    ranks.barrier();
    EXPECT_NE(ranks.allocate(10)->data(), nullptr);
  });
}

TEST(ShmMemory, MemoryOutlivesItsCommunicator) {
  on_shared_memory(2, [](Communicator& ranks) {
    core::Memory kept;
    {
      auto both = ranks.split(0, ranks.rank());
      kept = both->allocate(1000);
    }
    std::memset(kept->data(), 1, 1000);
  });
}

TEST(ShmMemory, MemoryIsAlignedToCacheLines) {
  on_shared_memory(3, [](Communicator& ranks) {
    for (const std::size_t bytes : {0, 1, 100, 5'000'000}) {
      const core::Memory memory = ranks.allocate(bytes);
      EXPECT_GE(memory->bytes(), bytes);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory->data()) % core::alignment, 0U);
    }
  });
}

TEST(ShmMemory, ALackOfMemoryIsAnErrorOnEveryRankAndNoMore) {
  on_shared_memory(3, [](Communicator& ranks) {
    try {
      const core::Memory memory = ranks.allocate(ranks.rank() == 1 ? std::size_t{1} << 45 : 100);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const DeviceError& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr("memory of 3 ranks needs 35184372"),
                                      HasSubstr("use a smaller model")));
    }
    const core::Memory memory = ranks.allocate(100);
    EXPECT_FALSE(ranks.is_poisoned());
    ranks.barrier();
  });
}

}  // namespace
}  // namespace lockstep::tests
