// What the ranks put into a collective of a test, and what must come out.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "lockstep/comm/reduce.h"
#include "tests/support/typed_values.h"

namespace lockstep::tests {

// Small whole numbers: their sums and products are exact in every dtype, for up to 15 ranks.
inline double number(int rank, std::int64_t i) {
  return static_cast<double>((rank * 5 + i * 3) % 4 + (rank % 5 == 0 ? 1 : 0)) - 1.0;
}
inline double truth(int rank, std::int64_t i) { return (rank + i) % 3 == 0 ? 1.0 : 0.0; }
inline double factor(int rank, std::int64_t i) {
  return rank < 5 ? (i + rank) % 2 + 1.0 : 1.0 - 2.0 * (i % 2);
}

inline double value_of(DType dtype, comm::Reduce op, int rank, std::int64_t i) {
  if (dtype == DType::boolean) return truth(rank, i);
  if (op == comm::Reduce::product)
    return dtype == DType::u8 ? std::abs(factor(rank, i)) : factor(rank, i);
  return dtype == DType::u8 ? number(rank, i) + 1.0 : number(rank, i);
}

inline double expected(DType dtype, comm::Reduce op, int ranks, std::int64_t i) {
  double result = value_of(dtype, op, 0, i);
  for (int rank = 1; rank < ranks; ++rank) {
    const double value = value_of(dtype, op, rank, i);
    if (op == comm::Reduce::product)
      result *= value;
    else if (op == comm::Reduce::min)
      result = std::min(result, value);
    else if (op == comm::Reduce::max)
      result = std::max(result, value);
    else
      result += value;
  }
  return op == comm::Reduce::mean ? result / ranks : result;
}

inline bool is_defined(DType dtype, comm::Reduce op) {
  if (op == comm::Reduce::mean) return is_floating(dtype);
  return dtype != DType::boolean || op == comm::Reduce::min || op == comm::Reduce::max;
}

// Calls visit(dtype, op) for every pair that has a meaning.
template <class Visit> void for_each_reduction(const Visit& visit) {
  for (const DType dtype : all_dtypes) {
    for (const comm::Reduce op : comm::all_reductions) {
      if (is_defined(dtype, op)) visit(dtype, op);
    }
  }
}

inline TypedValues input(DType dtype, comm::Reduce op, int rank, std::int64_t count) {
  return TypedValues::made(dtype, count,
                           [&](std::int64_t i) { return value_of(dtype, op, rank, i); });
}

// The first wrong element, or nothing. The mean of a half is rounded to 8 bits at worst.
inline testing::AssertionResult holds(const TypedValues& result, comm::Reduce op, int ranks,
                                      std::int64_t first = 0) {
  for (std::int64_t i = 0; i < result.count(); ++i) {
    const double wanted = expected(result.dtype(), op, ranks, first + i);
    const double bound = op == comm::Reduce::mean ? std::abs(wanted) / 128 : 0;
    if (std::abs(result.at(i) - wanted) <= bound) continue;
    return testing::AssertionFailure()
           << name_of(result.dtype()) << " " << name_of(op) << " [" << i << "] of "
           << result.count() << " is " << result.at(i) << ", not " << wanted;
  }
  return testing::AssertionSuccess();
}

// Elements that rank r gives or takes in the v-variants: uneven, with empty parts.
inline std::vector<std::int64_t> uneven_counts(int ranks, std::int64_t scale) {
  std::vector<std::int64_t> counts;
  for (int rank = 0; rank < ranks; ++rank) counts.push_back(rank % 3 * scale + (rank == 3 ? 1 : 0));
  return counts;
}

inline std::int64_t sum_of(const std::vector<std::int64_t>& counts, int first_ranks) {
  return std::accumulate(counts.begin(), counts.begin() + first_ranks, std::int64_t{0});
}

}  // namespace lockstep::tests
