#include "src/parallel/checksum.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace lockstep::parallel {
namespace {

std::vector<unsigned char> bytes_of(std::size_t count) {
  std::vector<unsigned char> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<unsigned char>(i * 37 + i / 256);
  return bytes;
}

TEST(Checksum, ChangesWithEveryBit) {
  for (const std::size_t count : {1, 7, 8, 63, 256, 300, 1024, 1031}) {
    std::vector<unsigned char> bytes = bytes_of(count);
    const std::uint64_t before = checksum(bytes.data(), count);
    for (std::size_t bit = 0; bit < 8 * count; ++bit) {
      bytes[bit / 8] ^= static_cast<unsigned char>(1U << (bit % 8));
      EXPECT_NE(checksum(bytes.data(), count), before) << count << " " << bit;
      bytes[bit / 8] ^= static_cast<unsigned char>(1U << (bit % 8));
    }
    EXPECT_EQ(checksum(bytes.data(), count), before);
  }
}

TEST(Checksum, DoesNotDependOnWhereTheBytesLie) {
  const std::vector<unsigned char> bytes = bytes_of(1000);
  std::vector<unsigned char> moved(1010);
  for (std::size_t offset = 0; offset < 9; ++offset) {
    std::memcpy(moved.data() + offset, bytes.data(), bytes.size());
    EXPECT_EQ(checksum(moved.data() + offset, bytes.size()), checksum(bytes.data(), bytes.size()));
  }
}

TEST(Checksum, OfNothingIsZero) { EXPECT_EQ(checksum(nullptr, 0), 0U); }

TEST(Checksum, KeepsEarlierDifferencesInItsChain) {
  std::uint64_t one = chained(0, 5);
  std::uint64_t other = chained(0, 6);
  for (std::uint64_t step = 0; step < 1000; ++step) {
    ASSERT_NE(one, other);
    one = chained(one, step);
    other = chained(other, step);
  }
  EXPECT_NE(chained(chained(0, 1), 2), chained(chained(0, 2), 1));
}

}  // namespace
}  // namespace lockstep::parallel
