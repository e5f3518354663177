// Processes that would train different things find out before anything is exchanged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockstep/base/error.h"
#include "lockstep/nn/linear.h"
#include "lockstep/optim/sgd.h"
#include "lockstep/parallel/data_parallel.h"
#include "tests/support/failure.h"

namespace lockstep::tests {
namespace {

using testing::HasSubstr;

TEST(Agreement, NamesRankCallSitesAndParameterOverMpiAndLeavesTheRanksUsable) {
  World world;
  const int odd = world.size() - 1;
  nn::Linear model(4, world.rank() == odd ? 5 : 3);
  optim::Sgd sgd(model.parameters());
  const auto error = failure_of<UsageError>([&] { const DataParallel ranks(model, sgd, world); });
  EXPECT_THAT(error.problem(), HasSubstr("rank " + std::to_string(odd) + " (agreement_test.cpp:"));
  EXPECT_THAT(error.problem(), HasSubstr("has parameter 0: weight f32 [5, 4]"));
  EXPECT_THAT(error.problem(), HasSubstr("has parameter 0: weight f32 [3, 4]"));
  nn::Linear same(4, 3);
  optim::Sgd of_same(same.parameters());
  const DataParallel ranks(same, of_same, world);
  EXPECT_EQ(ranks.steps(), 0);
}

}  // namespace
}  // namespace lockstep::tests
