#include "lockstep/data/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "lockstep/base/error.h"
#include "lockstep/core/allocator.h"
#include "lockstep/data/sampler.h"
#include "lockstep/tensor/create.h"
#include "tests/support/environment.h"
#include "tests/support/failure.h"

namespace lockstep::data {
namespace {

using testing::HasSubstr;
using tests::failure_of;

// Sample i is the image filled with i mod 256, its label i.
DatasetPointer numbered(std::int64_t count, const Shape& image = {4, 4, 1}) {
  Shape shape{count};
  for (const std::int64_t size : image) shape.append(size);
  Tensor x = empty(shape, {.dtype = DType::u8});
  Tensor y = empty({count}, {.dtype = DType::i64});
  const std::int64_t row = image.elements();
  for (std::int64_t i = 0; i < count; ++i) {
    std::fill_n(x.data<std::uint8_t>() + i * row, row, static_cast<std::uint8_t>(i));
    y.data<std::int64_t>()[i] = i;
  }
  return in_memory(x, y);
}

std::vector<std::int64_t> labels_of(const Batch& batch) {
  return batch.y.to_vector<std::int64_t>();
}

std::vector<std::int64_t> labels_of(const GlobalBatch& batch) {
  std::vector<std::int64_t> all;
  for (const Batch& part : batch.parts) {
    for (const std::int64_t label : labels_of(part)) all.push_back(label);
  }
  return all;
}

// All labels of an epoch, one vector a batch.
std::vector<std::vector<std::int64_t>> read_epoch(Loader& loader, std::int64_t epoch) {
  std::vector<std::vector<std::int64_t>> batches;
  for (auto& batch : loader.epoch(epoch)) batches.push_back(labels_of(batch));
  return batches;
}

TEST(Loader, HandsOutEverySampleOnceInTheSamplersOrder) {
  for (const int prefetch : {0, 1, 3}) {
    Loader loader(numbered(103), {.batch = 10, .seed = 9, .prefetch = prefetch});
    EXPECT_EQ(loader.batches(), 11);
    std::vector<std::int64_t> order;
    Sampler(103, {.seed = 9}).order(2, order);
    std::vector<std::int64_t> seen;
    const auto batches = read_epoch(loader, 2);
    ASSERT_EQ(batches.size(), 11U);
    EXPECT_EQ(batches.back().size(), 3U);
    for (const auto& batch : batches) seen.insert(seen.end(), batch.begin(), batch.end());
    EXPECT_EQ(seen, order);
  }
}

TEST(Loader, PairsInputsWithTheirTargets) {
  Loader loader(numbered(50), {.batch = 7, .seed = 1});
  for (auto& batch : loader.epoch(0)) {
    const Batch& part = batch.parts.at(0);
    EXPECT_EQ(part.x.shape(), (Shape{part.count, 4, 4, 1}));
    for (std::int64_t i = 0; i < part.count; ++i) {
      EXPECT_EQ(part.x.at({i, 3, 3, 0}), part.y.at({i}));
    }
  }
}

// Whatever the ranks, the shards laid side by side are the same global batch.
TEST(Loader, CutsEachBatchIntoTheSameShardsOnAnyNumberOfRanksExact) {
  std::mt19937 random(5);
  for (int round = 0; round < 20; ++round) {
    const auto count = static_cast<std::int64_t>(random() % 60);
    const auto batch = static_cast<std::int64_t>(1 + random() % 20);
    const int total = 1 + static_cast<int>(random() % 6);
    Loader whole(numbered(count), {.batch = batch, .seed = 3}, {0, total, total});
    const auto expected = read_epoch(whole, 1);
    for (int ranks = 1; ranks <= 7; ++ranks) {
      std::vector<std::vector<std::int64_t>> joined(expected.size());
      for (int rank = 0; rank < ranks; ++rank) {
        const auto shards = core::shards_of(rank, ranks, total);
        Loader loader(numbered(count), {.batch = batch, .seed = 3}, shards);
        std::size_t i = 0;
        for (auto& each : loader.epoch(1)) {
          ASSERT_EQ(each.parts.size(), static_cast<std::size_t>(shards.count()));
          for (const std::int64_t label : labels_of(each)) joined.at(i).push_back(label);
          EXPECT_EQ(each.count, static_cast<std::int64_t>(expected.at(i).size()));
          ++i;
        }
        EXPECT_EQ(i, expected.size());
      }
      EXPECT_EQ(joined, expected);
    }
  }
}

TEST(Loader, GivesEmptyShardsWhereABatchIsSmallerThanTheShards) {
  Loader loader(numbered(2), {.batch = 8, .shuffle = false}, {0, 4, 4});
  for (auto& batch : loader.epoch(0)) {
    EXPECT_EQ(batch.count, 2);
    ASSERT_EQ(batch.parts.size(), 4U);
    EXPECT_EQ(batch.parts[1].count, 1);
    EXPECT_EQ(batch.parts[2].count, 0);
    EXPECT_EQ(batch.parts[3].x.shape(), (Shape{0, 4, 4, 1}));
    EXPECT_EQ(batch.parts[3].y.shape(), Shape{0});
  }
}

TEST(Loader, AppliesTransformsInOrder) {
  Loader loader(numbered(6), {.batch = 6,
                              .shuffle = false,
                              .transforms = {random_crop({.height = 2, .width = 3}),
                                             normalize({0.5F}, {0.5F}), random_flip()}});
  for (auto& batch : loader.epoch(0)) {
    const Tensor& x = batch.parts[0].x;
    EXPECT_EQ(x.shape(), (Shape{6, 2, 3, 1}));
    EXPECT_EQ(x.dtype(), DType::f32);
    EXPECT_FLOAT_EQ(static_cast<float>(x.at({5, 1, 1, 0})), 5.0F / 255 * 2 - 1);
  }
}

std::map<std::int64_t, std::vector<float>> augmented(const DatasetPointer& set, std::int64_t batch,
                                                     std::int64_t epoch, core::ShardRange shards) {
  Loader loader(set,
                {.batch = batch,
                 .seed = 4,
                 .transforms = {random_crop({.height = 5, .width = 5, .padding = 2}), random_flip(),
                                normalize({0}, {1})}},
                shards);
  std::map<std::int64_t, std::vector<float>> seen;
  for (auto& each : loader.epoch(epoch)) {
    for (const Batch& part : each.parts) {
      const auto x = part.x.to_vector();
      for (std::int64_t i = 0; i < part.count; ++i) {
        seen[static_cast<std::int64_t>(part.y.at({i}))] = {x.begin() + i * 25,
                                                           x.begin() + (i + 1) * 25};
      }
    }
  }
  return seen;
}

TEST(Loader, TransformsASampleExactlyAlikeWhateverBatchAndShard) {
  Tensor x = empty({40, 5, 5, 1}, {.dtype = DType::u8});
  for (std::int64_t i = 0; i < x.elements(); ++i) {
    x.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(i * 7);
  }
  const auto set = in_memory(x, arange(0, 40, 1, {.dtype = DType::i64}));
  const auto expected = augmented(set, 40, 6, {0, 1, 1});
  ASSERT_EQ(expected.size(), 40U);
  EXPECT_EQ(augmented(set, 11, 6, {0, 3, 3}), expected);
  EXPECT_NE(augmented(set, 40, 7, {0, 1, 1}), expected);
}

TEST(Loader, GoesOnExactlyWhereItsCursorWasSaved) {
  const LoaderOptions options{.batch = 8, .seed = 2};
  Loader whole(numbered(50), options);
  const auto expected = read_epoch(whole, 3);
  for (std::size_t stop = 1; stop <= expected.size(); ++stop) {
    Loader first(numbered(50), options);
    Cursor saved;
    std::size_t i = 0;
    for ([[maybe_unused]] auto& batch : first.epoch(3)) {
      saved = first.cursor();
      if (++i == stop) break;
    }
    Loader second(numbered(50), options);
    second.restore(saved);
    EXPECT_EQ(second.cursor(), saved);
    if (stop == expected.size()) {
      EXPECT_EQ(saved, (Cursor{4, 0}));
      continue;
    }
    EXPECT_EQ(saved, (Cursor{3, static_cast<std::int64_t>(stop) * 8}));
    const auto rest = read_epoch(second, 3);
    EXPECT_EQ(rest,
              decltype(rest)(expected.begin() + static_cast<std::ptrdiff_t>(stop), expected.end()));
    EXPECT_EQ(second.cursor(), (Cursor{4, 0}));
  }
}

TEST(Loader, BeginsAnEpochAnewAfterTheLoopWasLeft) {
  Loader loader(numbered(30), {.batch = 4, .seed = 2});
  const auto expected = read_epoch(loader, 0);
  for ([[maybe_unused]] auto& batch : loader.epoch(0)) break;
  EXPECT_EQ(read_epoch(loader, 0), expected);
}

TEST(Loader, ReadsAnEmptyDataset) {
  Loader loader(numbered(0), {.batch = 4});
  EXPECT_EQ(loader.batches(), 0);
  EXPECT_TRUE(read_epoch(loader, 0).empty());
}

TEST(Loader, NeverWritesToABatchThatSomeoneHolds) {
  Loader loader(numbered(64), {.batch = 8, .shuffle = false});
  std::vector<Batch> kept;
  for (auto& batch : loader.epoch(0)) kept.push_back(batch.parts[0]);
  std::int64_t next = 0;
  for (const Batch& batch : kept) {
    for (const std::int64_t label : labels_of(batch)) EXPECT_EQ(label, next++);
    EXPECT_EQ(batch.x.at({0, 0, 0, 0}), batch.y.at({0}));
  }
  EXPECT_EQ(next, 64);
}

TEST(Loader, AsksTheAllocatorForNothingInASteadyEpoch) {
  Loader loader(numbered(640, {32, 32, 1}), {.batch = 64});
  read_epoch(loader, 0);
  read_epoch(loader, 1);
  const auto before = core::allocator({}).statistics().requests;
  for ([[maybe_unused]] auto& batch : loader.epoch(2)) continue;
  EXPECT_EQ(core::allocator({}).statistics().requests, before);
}

// Fails at one sample; the others are numbers.
class Flawed final : public Dataset {
 public:
  explicit Flawed(std::int64_t flaw) : flaw_(flaw) {}
  std::int64_t count() const override { return 100; }
  Meta x() const override { return {{}, DType::i64, {}}; }
  Meta y() const override { return {{}, DType::i64, {}}; }
  void read(std::int64_t index, std::byte* x, std::byte* y) const override {
    check<IoError>(index != flaw_, [&] {
      return Complaint{"sample " + std::to_string(index) + " is broken", "mend it"};
    });
    *reinterpret_cast<std::int64_t*>(x) = *reinterpret_cast<std::int64_t*>(y) = index;
  }

 private:
  std::int64_t flaw_;
};

TEST(Loader, ThrowsAtTheReaderWhatFailedInTheHelper) {
  for (const int prefetch : {0, 1, 4}) {
    Loader loader(std::make_shared<Flawed>(57),
                  {.batch = 10, .shuffle = false, .prefetch = prefetch});
    int batches = 0;
    const auto error = failure_of<IoError>([&] {
      for ([[maybe_unused]] auto& batch : loader.epoch(0)) ++batches;
    });
    EXPECT_EQ(batches, 5);
    EXPECT_EQ(error.problem(), "sample 57 is broken");
    EXPECT_EQ(loader.cursor(), (Cursor{0, 50}));
  }
}

// Reads nothing until it is opened.
class Stuck final : public Dataset {
 public:
  std::int64_t count() const override { return 4; }
  Meta x() const override { return {{}, DType::i64, {}}; }
  Meta y() const override { return {{}, DType::i64, {}}; }
  void read(std::int64_t, std::byte*, std::byte*) const override { is_open_.wait(false); }
  void open() {
    is_open_ = true;
    is_open_.notify_all();
  }

 private:
  std::atomic<bool> is_open_ = false;
};

TEST(Loader, GivesUpOnADatasetThatDoesNotCome) {
  const tests::Environment limit("LOCKSTEP_TIMEOUT", "1");
  const auto dataset = std::make_shared<Stuck>();
  {
    Loader loader(dataset, {.batch = 2});
    const auto error = failure_of<IoError>([&] { loader.epoch(0).begin(); });
    EXPECT_EQ(error.problem(), "loader: no batch after 1 s");
    EXPECT_EQ(error.fix(), "see why the dataset is slow to read, or raise LOCKSTEP_TIMEOUT");
    EXPECT_THAT(failure_of<UsageError>([&] { loader.epoch(0); }).fix(),
                HasSubstr("make a second loader"));
  }
  dataset->open();
  while (dataset.use_count() > 1) std::this_thread::yield();  // the helper thread is done with it
}

TEST(Loader, StopsItsHelperWhenTheLoopIsLeftAtAnyMoment) {
  for (int stop = 0; stop < 10; ++stop) {
    Loader loader(numbered(100), {.batch = 10, .prefetch = 3});
    Epoch epoch = loader.epoch(0);
    int batches = 0;
    for (auto it = epoch.begin(); it != epoch.end() && batches < stop; ++it) ++batches;
    EXPECT_EQ(batches, stop);
  }
}

TEST(Loader, MayGoWhileAnEpochIsRead) {
  auto loader = std::make_unique<Loader>(numbered(40), LoaderOptions{.batch = 10});
  Epoch epoch = loader->epoch(0);
  loader.reset();
  int batches = 0;
  for ([[maybe_unused]] auto& batch : epoch) ++batches;
  EXPECT_EQ(batches, 4);
}

TEST(Loader, RefusesABatchOfZero) {
  const auto error = failure_of<UsageError>([] { Loader(numbered(4), {.batch = 0}); });
  EXPECT_THAT(error.problem(), HasSubstr("a batch of 0 samples"));
  EXPECT_EQ(error.fix(), "set .batch, the number of samples of the global batch, to 1 or more");
}

TEST(Loader, RefusesNoDatasetAndANegativePrefetch) {
  const auto none = failure_of<UsageError>([] { Loader(nullptr, {.batch = 1}); });
  EXPECT_EQ(none.problem(), "loader: no dataset");
  EXPECT_EQ(none.fix(), "give one, e.g. data::fashion_mnist()");
  const auto prefetch =
      failure_of<UsageError>([] { Loader(numbered(4), {.batch = 1, .prefetch = -1}); });
  EXPECT_EQ(prefetch.problem(), "loader: prefetch is -1");
  EXPECT_THAT(prefetch.fix(), HasSubstr("set .prefetch to 0"));
}

TEST(Loader, RefusesTransformsThatDoNotFitTheSamples) {
  const auto error = failure_of<ShapeError>([] {
    Loader(numbered(4), {.batch = 1, .transforms = {normalize({0, 0, 0}, {1, 1, 1})}});
  });
  EXPECT_EQ(error.problem(), "normalize: 3 means for samples u8 [4, 4, 1]");
}

TEST(Loader, RefusesASecondEpochAtTheSameTime) {
  Loader loader(numbered(40), {.batch = 10});
  const Epoch first = loader.epoch(0);
  const auto error = failure_of<UsageError>([&] { loader.epoch(1); });
  EXPECT_THAT(error.problem(), HasSubstr("epoch 1 is asked for while epoch 0 is being read"));
  const auto restored = failure_of<UsageError>([&] { loader.restore({0, 20}); });
  EXPECT_EQ(restored.problem(), "loader: restored while an epoch is being read");
  EXPECT_EQ(restored.fix(), "leave the loop over the epoch first");
}

TEST(Loader, RefusesEpochsBelowZero) {
  Loader loader(numbered(40), {.batch = 10});
  const auto error = failure_of<UsageError>([&] { loader.epoch(-1); });
  EXPECT_EQ(error.problem(), "loader: epoch -1");
  EXPECT_EQ(error.fix(), "count epochs from 0");
}

TEST(Loader, RefusesAnotherEpochThanTheRestoredOne) {
  Loader loader(numbered(40), {.batch = 10});
  loader.restore({2, 20});
  const auto error = failure_of<UsageError>([&] { loader.epoch(0); });
  EXPECT_THAT(error.problem(), HasSubstr("after restoring epoch 2, sample 20"));
  EXPECT_THAT(error.fix(), HasSubstr("loader.cursor().epoch"));
}

TEST(Loader, RefusesACursorOfALargerDataset) {
  Loader loader(numbered(40), {.batch = 10});
  const auto problem = [&](const Cursor& cursor) {
    return failure_of<UsageError>([&] { loader.restore(cursor); }).problem();
  };
  EXPECT_EQ(problem({0, 41}), "loader: there is no epoch 0, sample 41 in a dataset of 40 samples");
  EXPECT_EQ(problem({-1, 0}), "loader: there is no epoch -1, sample 0 in a dataset of 40 samples");
}

}  // namespace
}  // namespace lockstep::data
