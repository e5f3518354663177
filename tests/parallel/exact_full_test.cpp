// The whole exactness matrix, on ranks that are threads, and in tests/mpi on processes.
#include <gtest/gtest.h>

#include "tests/support/exact_matrix.h"

namespace lockstep::tests {
namespace {

class ExactFullMatrix : public testing::TestWithParam<std::tuple<Model, int>> {};

TEST_P(ExactFullMatrix, HasTheSameBits) {
  const auto [model, shards] = GetParam();
  ExactMatrix matrix = exact_matrix();
  for (int transport = 0; transport < matrix.transports(); ++transport)
    matrix.expect_same_bits(uninterrupted_cases(transport, model, shards));
}

INSTANTIATE_TEST_SUITE_P(Cases, ExactFullMatrix,
                         testing::Combine(testing::Values(Model::mlp, Model::cnn),
                                          testing::Values(6, 8, 12)));

class ExactFullResume : public testing::TestWithParam<Model> {};

TEST_P(ExactFullResume, HasTheSameBitsForEveryPairOfWorlds) {
  ExactMatrix matrix = exact_matrix();
  for (int transport = 0; transport < matrix.transports(); ++transport)
    matrix.expect_same_bits(resumed_cases(transport, GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Models, ExactFullResume, testing::Values(Model::mlp, Model::cnn));

}  // namespace
}  // namespace lockstep::tests
