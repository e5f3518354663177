// A subset of the exactness matrix in which every two choices meet, on ranks that are processes.
#include <gtest/gtest.h>

#include "tests/support/exact_matrix.h"

namespace lockstep::tests {
namespace {

constexpr int portions = 6;

// A sixth of the cases, so that no test is long. Every pair of worlds of a resumed run is left to
// ranks that are threads, and to the full matrix.
class ExactMatrixPortion : public testing::TestWithParam<int> {};

TEST_P(ExactMatrixPortion, HasTheSameBitsWhereverEveryTwoChoicesMeet) {
  ExactMatrix matrix = exact_matrix();
  const auto all = covering_cases(matrix.transports(), false);
  std::vector<ExactCase> own;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i % portions == static_cast<std::size_t>(GetParam())) own.push_back(all[i]);
  }
  matrix.expect_same_bits(own);
}

INSTANTIATE_TEST_SUITE_P(Portions, ExactMatrixPortion, testing::Range(0, portions));

}  // namespace
}  // namespace lockstep::tests
