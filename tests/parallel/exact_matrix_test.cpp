// A subset of the exactness matrix in which every two choices meet, on ranks that are threads.
#include <gtest/gtest.h>

#include "tests/support/exact_matrix.h"

namespace lockstep::tests {
namespace {

constexpr int portions = 4;

// A fourth of the cases, so that no test is long.
class ExactMatrixPortion : public testing::TestWithParam<int> {};

TEST_P(ExactMatrixPortion, HasTheSameBitsWhereverEveryTwoChoicesMeet) {
  ExactMatrix matrix = exact_matrix();
  const auto all = covering_cases(matrix.transports(), true);
  std::vector<ExactCase> own;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i % portions == static_cast<std::size_t>(GetParam())) own.push_back(all[i]);
  }
  matrix.expect_same_bits(own);
}

INSTANTIATE_TEST_SUITE_P(Portions, ExactMatrixPortion, testing::Range(0, portions));

TEST(ExactMatrixCases, IncludeEveryPairOfWorldsOfAResumedRun) {
  std::set<std::pair<int, int>> pairs;
  for (const ExactCase& one : covering_cases(4, true)) pairs.insert({one.ranks, one.resumed_on});
  EXPECT_EQ(pairs.size(), 6U * 7U);  // and of each world a run that never stops
  pairs.clear();
  for (const ExactCase& one : resumed_cases(0, Model::cnn))
    pairs.insert({one.ranks, one.resumed_on});
  EXPECT_EQ(pairs.size(), 6U * 6U);
}

TEST(ExactMatrixCases, BringEveryTransportTogetherWithEveryOtherChoice) {
  std::set<std::tuple<int, Model, Tail>> models_and_tails;
  std::set<std::tuple<int, int>> worlds;
  for (const ExactCase& one : covering_cases(4, true)) {
    worlds.insert({one.transport, one.ranks});
    models_and_tails.insert({one.transport, one.model, one.tail});
  }
  EXPECT_EQ(worlds.size(), 4U * 6U);
  EXPECT_GE(models_and_tails.size(), 4U * 2U);
}

}  // namespace
}  // namespace lockstep::tests
