// Ranks that would train different things find out before anything is exchanged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

#include "lockstep/base/error.h"
#include "lockstep/nn/linear.h"
#include "lockstep/nn/sequential.h"
#include "lockstep/optim/adamw.h"
#include "lockstep/optim/sgd.h"
#include "lockstep/parallel/data_parallel.h"
#include "src/parallel/agreement.h"
#include "tests/support/failure.h"
#include "tests/support/thread_world.h"

namespace lockstep::tests {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// What every rank complains about where rank `odd` alone differs.
std::vector<std::string> complaints(int size, int odd,
                                    const std::function<void(World&, bool is_odd)>& start) {
  std::vector<std::string> found;
  std::mutex mutex;
  on_ranks(size, [&](World& world) {
    const std::string problem =
        failure_of<UsageError>([&] { start(world, world.rank() == odd); }).problem();
    world.communicator().barrier();  // it is still of use
    const std::lock_guard lock(mutex);
    found.push_back(problem);
  });
  return found;
}

void start_with(World& world, nn::Module& model, double lr = 0.1,
                const DataParallelOptions& options = {}) {
  optim::Sgd sgd(model.parameters(), {.lr = lr});
  const DataParallel ranks(model, sgd, world, options);
}

TEST(Agreement, NamesTheRankAndTheParameterWhoseShapeDiffers) {
  const auto found = complaints(3, 1, [](World& world, bool is_odd) {
    nn::Sequential model(nn::Linear(4, 3), nn::Linear(3, is_odd ? 5 : 2));
    start_with(world, model);
  });
  ASSERT_EQ(found.size(), 3U);
  for (const std::string& problem : found) {
    EXPECT_THAT(
        problem,
        AllOf(HasSubstr("rank 1 (agreement_test.cpp:"),
              HasSubstr("has parameter 2: 1.weight f32 [5, 3]; rank 0 (agreement_test.cpp:"),
              HasSubstr("has parameter 2: 1.weight f32 [2, 3]")));
  }
}

TEST(Agreement, NamesAParameterThatOneRankLacks) {
  for (const int odd : {0, 3}) {
    const auto found = complaints(4, odd, [](World& world, bool is_odd) {
      nn::Linear model(4, 3, {.bias = !is_odd});
      start_with(world, model);
    });
    for (const std::string& problem : found) {
      EXPECT_THAT(problem, HasSubstr("rank " + std::to_string(odd) + " (agreement_test.cpp:"));
      EXPECT_THAT(problem, HasSubstr("has parameter 1: bias f32 [3]"));
    }
  }
}

TEST(Agreement, NamesAFrozenParameterAndAnotherDtype) {
  const auto frozen = complaints(2, 1, [](World& world, bool is_odd) {
    nn::Linear model(4, 3);
    if (is_odd) model.freeze();
    start_with(world, model);
  });
  EXPECT_THAT(frozen.front(), HasSubstr("rank 1 (agreement_test.cpp:"));
  EXPECT_THAT(frozen.front(), HasSubstr("parameter 0: weight f32 [3, 4], frozen"));
  const auto dtype = complaints(2, 1, [](World& world, bool is_odd) {
    nn::Linear model(4, 3, {.dtype = is_odd ? DType::f64 : DType::f32});
    start_with(world, model);
  });
  EXPECT_THAT(dtype.front(), HasSubstr("parameter 0: weight f64 [3, 4]"));
}

TEST(Agreement, NamesOptionsThatDiffer) {
  const auto message = [](const DataParallelOptions& odd_options, double odd_rate = 0.1) {
    return complaints(2, 1,
                      [&](World& world, bool is_odd) {
                        nn::Linear model(4, 3);
                        start_with(world, model, is_odd ? odd_rate : 0.1,
                                   is_odd ? odd_options : DataParallelOptions{});
                      })
        .front();
  };
  EXPECT_THAT(message({.mode = SumMode::fast}), HasSubstr("has sums: fast"));
  EXPECT_THAT(message({.clip_norm = 2}), HasSubstr("has clip_norm: 2"));
  EXPECT_THAT(message({.seed = 9}), HasSubstr("has seed: 9"));
  EXPECT_THAT(message({.bucket_bytes = 77}), HasSubstr("has bucket_bytes: 77"));
  EXPECT_THAT(message({.tail = Tail::fused}), HasSubstr("has tail: fused"));
  EXPECT_THAT(message({.check_every = 7}), HasSubstr("has check_every: 7"));
  EXPECT_THAT(message({}, 0.25), HasSubstr("has learning rate: 0.25"));
}

TEST(Agreement, NamesTheNumberOfShardsThatDiffers) {
  const auto found = complaints(2, 1, [](World& world, bool is_odd) {
    World other(world.communicator().split(0, world.rank()), {.shards = is_odd ? 6 : 4});
    nn::Linear model(4, 3);
    start_with(other, model);
  });
  EXPECT_THAT(found.front(), HasSubstr("has shards: 6; rank 0"));
}

TEST(Agreement, TellsApartOptimizersWithOtherStates) {
  const auto found = complaints(2, 1, [](World& world, bool is_odd) {
    nn::Linear model(4, 3);
    optim::Sgd sgd(model.parameters(), {.lr = 0.1, .momentum = is_odd ? 0.9 : 0.0});
    const DataParallel ranks(model, sgd, world);
  });
  EXPECT_THAT(found.front(), HasSubstr("has states of the optimizer: 1"));
}

TEST(Agreement, ComparesWithTheRanksThatAreMost) {
  for (const int odd : {0, 1, 2}) {
    on_ranks(3, [&](World& world) {
      std::vector<parallel::Fact> facts{{"colour", world.rank() == odd ? "red" : "blue"}};
      const auto error = failure_of<UsageError>([&] {
        parallel::check_agreement(world.communicator(), facts, std::source_location::current());
      });
      EXPECT_THAT(error.problem(), HasSubstr("rank " + std::to_string(odd) + " "));
      EXPECT_THAT(error.problem(), testing::ContainsRegex("has colour: red; rank [0-9] .*blue$"));
      EXPECT_THAT(error.fix(), HasSubstr("the same model"));
    });
  }
}

TEST(Agreement, IsSilentWhereAllRanksAgree) {
  on_ranks(3, [](World& world) {
    parallel::check_agreement(world.communicator(), {{"a", "1"}, {"b", ""}},
                              std::source_location::current());
  });
}

}  // namespace
}  // namespace lockstep::tests
