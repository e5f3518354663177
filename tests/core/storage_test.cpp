#include "lockstep/core/storage.h"

#include <gtest/gtest.h>

namespace lockstep::core {
namespace {

TEST(Storage, IsARangeOfItsBlock) {
  const Memory memory = allocator(Device{}).allocate(1000);
  const Storage storage(memory, 128, 64);
  EXPECT_EQ(storage.data(), static_cast<std::byte*>(memory->data()) + 128);
  EXPECT_EQ(storage.bytes(), 64U);
}

TEST(Storage, KeepsItsBlockAlive) {
  Memory memory = allocator(Device{}).allocate(1000);
  const Storage storage(memory, 0, 1000);
  EXPECT_EQ(memory->references(), 2U);
  memory.reset();
  EXPECT_EQ(storage.memory()->references(), 1U);
}

TEST(Storage, MovesToAnotherBlockAndLetsGoOfTheFirst) {
  const Memory first = allocator(Device{}).allocate(1000);
  const Memory second = allocator(Device{}).allocate(1000);
  Storage storage(first, 0, 64);
  storage.relocate(second, 256);
  EXPECT_EQ(storage.data(), static_cast<std::byte*>(second->data()) + 256);
  EXPECT_EQ(storage.bytes(), 64U);
  EXPECT_EQ(first->references(), 1U);
}

TEST(Storage, CountsItsMutations) {
  Storage storage(allocator(Device{}).allocate(8), 0, 8);
  EXPECT_EQ(storage.version(), 0U);
  storage.mark_mutated();
  EXPECT_EQ(storage.version(), 1U);
}

}  // namespace
}  // namespace lockstep::core
