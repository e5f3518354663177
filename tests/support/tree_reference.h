// The one summation tree, written a second time as a recursion over leaves, to hold the transports
// against.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "tests/support/typed_values.h"

namespace lockstep::tests {

// Numbers whose sum depends on the order of the additions in every floating-point dtype.
inline TypedValues leaf(DType dtype, std::int64_t count, int shard, std::uint32_t salt = 0) {
  std::mt19937 random(1000U * salt + static_cast<std::uint32_t>(shard));
  return TypedValues::made(dtype, count, [&](std::int64_t) {
    const double fraction = static_cast<double>(random() % 20011U) / 10007.0 - 1.0;
    return fraction * static_cast<double>(1U << (random() % 8U));
  });
}

// The sum of leaves [first, last): a node splits at the largest power of two below its size. Every
// addition is rounded to the dtype.
inline TypedValues tree_sum(const std::vector<TypedValues>& leaves, int first, int last) {
  if (last - first == 1) return leaves[static_cast<std::size_t>(first)];
  int left = 1;
  while (2 * left < last - first) left *= 2;
  const TypedValues a = tree_sum(leaves, first, first + left);
  const TypedValues b = tree_sum(leaves, first + left, last);
  return TypedValues::made(a.dtype(), a.count(), [&](std::int64_t i) { return a.at(i) + b.at(i); });
}

inline std::vector<TypedValues> leaves_of(DType dtype, std::int64_t count, int shards,
                                          std::uint32_t salt = 0) {
  std::vector<TypedValues> leaves;
  for (int shard = 0; shard < shards; ++shard) leaves.push_back(leaf(dtype, count, shard, salt));
  return leaves;
}

}  // namespace lockstep::tests
