// The same bits on any number of ranks.
#include <gtest/gtest.h>

#include <set>

#include "tests/support/thread_world.h"
#include "tests/support/training_run.h"

namespace lockstep::tests {
namespace {

// The fingerprints that all ranks of a world of `size` end with.
std::set<std::uint64_t> fingerprints(int size, int shards, const TrainingRun& run) {
  return results_on(comm::threads(size),
                    [&](World& world) { return fingerprint_after(world, run); },
                    {.shards = shards});
}

class ExactTraining : public testing::TestWithParam<std::tuple<Model, int>> {};

TEST_P(ExactTraining, GivesTheSameBitsOnAnyNumberOfRanks) {
  const auto [model, shards] = GetParam();
  const TrainingRun run{.model = model};
  const auto expected = fingerprints(1, shards, run);
  ASSERT_EQ(expected.size(), 1U);
  for (const int size : {2, 3, 4, 6}) EXPECT_EQ(fingerprints(size, shards, run), expected) << size;
}

INSTANTIATE_TEST_SUITE_P(Worlds, ExactTraining,
                         testing::Combine(testing::Values(Model::mlp, Model::cnn),
                                          testing::Values(3, 4, 5, 8)));

TEST(ExactTraining, DoesNotDependOnTheBuckets) {
  TrainingRun run{.model = Model::cnn, .steps = 10};
  const auto expected = fingerprints(2, 4, run);
  for (const std::int64_t bytes : {std::int64_t{1}, std::int64_t{2000}, std::int64_t{1} << 30}) {
    run.options.bucket_bytes = bytes;
    EXPECT_EQ(fingerprints(2, 4, run), expected) << bytes;
  }
}

TEST(ExactTraining, DoesNotDependOnTheRanksWithClipping) {
  TrainingRun run{.model = Model::mlp, .steps = 20};
  run.options.clip_norm = 0.1;
  const auto expected = fingerprints(1, 4, run);
  for (const int size : {2, 3, 4}) EXPECT_EQ(fingerprints(size, 4, run), expected) << size;
}

// Controls, without dropout, whose masks belong to shards. Siblings of the tree may change places,
// since a + b = b + a; a fold in another order must change the bits, or the tests above prove
// nothing.
TEST(ExactTraining, ChangesWhenTheFoldIsPermutedAndOnlyThen) {
  for (const Model model : {Model::mlp, Model::cnn}) {
    TrainingRun run{.model = model, .batch = 8, .last_batch = 8, .has_dropout = false};
    const auto expected = fingerprints(2, 4, run);
    run.exchanged = {0, 1};
    EXPECT_EQ(fingerprints(2, 4, run), expected);
    run.exchanged = {1, 2};
    EXPECT_NE(fingerprints(2, 4, run), expected);
  }
}

}  // namespace
}  // namespace lockstep::tests
