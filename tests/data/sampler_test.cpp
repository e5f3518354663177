#include "lockstep/data/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>

namespace lockstep::data {
namespace {

using Order = std::vector<std::int64_t>;

Order order_of(std::int64_t count, std::uint64_t seed, std::int64_t epoch) {
  Order order;
  Sampler(count, {.seed = seed}).order(epoch, order);
  return order;
}

Order counted(std::int64_t count) {
  Order order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  return order;
}

TEST(Sampler, VisitsEverySampleOnce) {
  for (const std::int64_t count : {0, 1, 2, 3, 7, 64, 1001}) {
    Order order = order_of(count, 5, 3);
    std::sort(order.begin(), order.end());
    EXPECT_EQ(order, counted(count)) << count;
  }
}

TEST(Sampler, GivesExactlyTheSameOrderForTheSameSeedAndEpoch) {
  EXPECT_EQ(order_of(500, 1, 2), order_of(500, 1, 2));
}

TEST(Sampler, GivesAnotherOrderForAnotherEpochOrSeed) {
  EXPECT_NE(order_of(500, 1, 2), order_of(500, 1, 3));
  EXPECT_NE(order_of(500, 1, 2), order_of(500, 2, 2));
}

TEST(Sampler, KeepsTheOrderOfTheDatasetWithoutShuffling) {
  Order order;
  Sampler(9, {.seed = 1, .shuffle = false}).order(4, order);
  EXPECT_EQ(order, counted(9));
}

// The order is part of what a run's bits depend on, so it must not change with the library.
TEST(Sampler, OrderIsExactlyThatOfEarlierVersions) {
  EXPECT_EQ(order_of(8, 42, 0), (Order{0, 7, 4, 5, 1, 3, 2, 6}));
}

TEST(Sampler, FindsEveryPermutationEquallyOften) {
  std::map<Order, int> seen;
  const int epochs = 24'000;
  for (int epoch = 0; epoch < epochs; ++epoch) ++seen[order_of(4, 7, epoch)];
  ASSERT_EQ(seen.size(), 24U);
  double chi_squared = 0;
  for (const auto& [order, times] : seen) {
    chi_squared += (times - 1000.0) * (times - 1000.0) / 1000.0;
  }
  EXPECT_LT(chi_squared, 49.7);  // 23 degrees of freedom, p = 0.001
}

}  // namespace
}  // namespace lockstep::data
