#include "lockstep/train/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <limits>
#include <vector>

#include "lockstep/base/error.h"
#include "lockstep/obs/metrics.h"
#include "lockstep/ops/pointwise.h"
#include "lockstep/ops/rows.h"
#include "lockstep/optim/sgd.h"
#include "lockstep/parallel/checkpoint.h"
#include "tests/support/blobs.h"
#include "tests/support/failure.h"
#include "tests/support/scratch.h"
#include "tests/support/thread_world.h"

namespace lockstep::tests {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using train::Trainer;
using train::TrainerOptions;
using train::TrainerReport;

constexpr std::int64_t train_samples = 200;
constexpr std::int64_t batch = 24;  // the last one of an epoch is short

// A whole training run on this rank; the values of all parameters go to `weights`.
TrainerReport train_blobs(World& world, const TrainerOptions& options,
                          std::vector<float>* weights = nullptr, DType compute = DType::f32) {
  nn::Sequential model = small_model();
  model.compute_in(compute);
  optim::Sgd sgd(model.parameters(), {.lr = 0.05, .momentum = 0.9});
  data::Loader train(blobs(train_samples, 1), {.batch = batch, .seed = 3}, world.shards());
  data::Loader test(blobs(100, 2), {.batch = 40, .shuffle = false}, world.shards());
  const TrainerReport report = Trainer(model, sgd, world, options).fit(train, test);
  if (weights != nullptr) {
    weights->clear();
    for (const auto& [name, parameter] : model.parameters()) {
      const auto values = parameter.to_vector();
      weights->insert(weights->end(), values.begin(), values.end());
    }
  }
  return report;
}

TEST(Trainer, LearnsAndReportsTheSameOnEveryRank) {
  on_ranks(2, [](World& world) {
    const TrainerReport report = train_blobs(world, {.epochs = 8});
    EXPECT_GT(report.score.accuracy, 0.9);
    EXPECT_EQ(report.score.samples, 100);
    EXPECT_GE(report.best.accuracy, report.score.accuracy);
    EXPECT_EQ(report.steps, 8 * 9);
    EXPECT_EQ(report.samples, 8 * train_samples);
    EXPECT_GT(report.samples_per_second(), 0);
  });
}

TEST(Trainer, KeepsMetricsCurvesAndCheckpoints) {
  const Scratch scratch;
  on_ranks(2, [&](World& world) {
    train_blobs(world,
                {.epochs = 3, .folder = scratch / "run", .title = "Blobs", .rows_per_epoch = 3});
  });
  const obs::MetricsTable table = obs::read_metrics(scratch / "run/metrics.csv");
  EXPECT_THAT(table.columns, ElementsAre("step", "epoch", "train_loss", "test_loss",
                                         "test_accuracy", "learning_rate", "samples_per_second"));
  EXPECT_THAT(table.column("step"), ElementsAre(3, 6, 9, 12, 15, 18, 21, 24, 27));
  EXPECT_EQ(table.column("epoch").back(), 3);
  EXPECT_TRUE(std::isnan(table.column("test_accuracy")[0]));
  EXPECT_GT(table.column("test_accuracy")[2], 0.2);
  EXPECT_THAT(text_of(scratch / "run/metrics.jsonl"), HasSubstr("\"test_accuracy\": "));
  EXPECT_THAT(text_of(scratch / "run/curves.svg"), HasSubstr(">Blobs</text>"));
  EXPECT_EQ(parallel::latest_checkpoint(scratch / "run/last")->filename(), "step-27");
  EXPECT_TRUE(parallel::latest_checkpoint(scratch / "run/best"));
}

TEST(Trainer, WritesNothingWithoutAFolder) {
  const auto here = std::filesystem::current_path();
  const Scratch scratch;
  std::filesystem::current_path(scratch.folder());
  on_ranks(1, [](World& world) { train_blobs(world, {.epochs = 1}); });
  EXPECT_TRUE(std::filesystem::is_empty(scratch.folder()));
  std::filesystem::current_path(here);
}

TEST(Trainer, GoesOnExactlyAfterAResumeOnAnotherNumberOfRanks) {
  const Scratch scratch;
  std::vector<float> whole, resumed;
  const WorldOptions shards{.shards = 4};
  on_ranks(
      1,
      [&](World& world) {
        train_blobs(world, {.epochs = 4, .folder = scratch / "whole"}, &whole);
        train_blobs(world, {.epochs = 2, .folder = scratch / "cut"});
      },
      shards);
  on_ranks(
      2,
      [&](World& world) {
        std::vector<float> mine;
        const TrainerReport report = train_blobs(
            world, {.epochs = 4, .folder = scratch / "cut", .resume = true, .is_exact = true},
            &mine);
        EXPECT_EQ(report.steps, 4 * 9);
        EXPECT_EQ(report.samples, 2 * train_samples);
        if (world.is_root()) resumed = mine;
      },
      shards);
  EXPECT_EQ(whole, resumed);
  const auto column = [&](const char* run, const char* name) {
    return obs::read_metrics(scratch / (std::string(run) + "/metrics.csv")).column(name);
  };
  EXPECT_EQ(column("whole", "step"), column("cut", "step"));
  EXPECT_EQ(column("whole", "train_loss"), column("cut", "train_loss"));
}

TEST(Trainer, NamesEveryDifferenceWhereAResumeMustBeExact) {
  const Scratch scratch;
  on_ranks(1, [&](World& world) { train_blobs(world, {.folder = scratch / "run"}); },
           {.shards = 2});
  const auto resume = [&](bool is_exact) {
    on_ranks(1,
             [&](World& world) {
               train_blobs(
                   world,
                   {.epochs = 2, .folder = scratch / "run", .resume = true, .is_exact = is_exact});
             },
             {.shards = 3});
  };
  try {
    resume(true);
    FAIL();
  } catch (const UsageError& failure) {
    EXPECT_THAT(failure.what(), HasSubstr("shards: 2 when it was saved, 3 now"));
    EXPECT_THAT(failure.what(), HasSubstr("fix:   run it as it was (LOCKSTEP_SHARDS=2)"));
  }
  resume(false);
  EXPECT_EQ(parallel::latest_checkpoint(scratch / "run/last")->filename(), "step-18");
}

TEST(Trainer, NamesThePrecisionWhereAResumeMustBeExact) {
  const Scratch scratch;
  const auto run = [&](DType compute, std::int64_t epochs) {
    on_ranks(1, [&](World& world) {
      train_blobs(
          world,
          {.epochs = epochs, .folder = scratch / "run", .resume = epochs > 1, .is_exact = true},
          nullptr, compute);
    });
  };
  run(DType::bf16, 1);
  run(DType::bf16, 2);
  try {
    run(DType::f32, 3);
    FAIL();
  } catch (const UsageError& failure) {
    EXPECT_THAT(failure.what(), HasSubstr("computes in: bf16 when it was saved"));
  }
}

TEST(Trainer, StopsAtALossThatIsNotANumberAndKeepsTheLastCheckpoint) {
  const Scratch scratch;
  for (const int ranks : {1, 2}) {
    const auto folder = scratch / std::to_string(ranks);
    try {
      on_ranks(ranks, [&](World& world) {
        nn::Sequential model = small_model();
        optim::Sgd sgd(model.parameters(), {.lr = 0.1});
        data::Loader train(blobs(train_samples, 1), {.batch = batch, .seed = 3}, world.shards());
        data::Loader test(blobs(8, 2), {.batch = 4}, world.shards());
        TrainerOptions options{.epochs = 2, .folder = folder};
        int calls = 0;
        options.loss = [&](const data::Batch& part) {
          const Tensor loss = cross_entropy(model(part.x), part.y);
          return ++calls == 12 ? loss * std::numeric_limits<double>::quiet_NaN() : loss;
        };
        Trainer(model, sgd, world, options).fit(train, test);
      });
      FAIL();
    } catch (const Error& failure) {
      EXPECT_THAT(failure.what(), HasSubstr("step 12: the loss is nan"));
      EXPECT_THAT(failure.what(), HasSubstr("fix:   lower the learning rate"));
    }
    EXPECT_EQ(parallel::latest_checkpoint(folder / "last")->filename(), "step-9");
  }
}

// A run whose rank 0 sends itself SIGUSR1 in the middle of a step.
TrainerReport stopped_run(World& world, const std::filesystem::path& folder, int at_call) {
  nn::Sequential model = small_model();
  optim::Sgd sgd(model.parameters(), {.lr = 0.05, .momentum = 0.9});
  data::Loader train(blobs(train_samples, 1), {.batch = batch, .seed = 3}, world.shards());
  data::Loader test(blobs(100, 2), {.batch = 40, .shuffle = false}, world.shards());
  int calls = 0;
  TrainerOptions options{.epochs = 4, .folder = folder, .stops_at_signal = true};
  options.loss = [&](const data::Batch& part) {
    if (world.is_root() && ++calls == at_call) std::raise(SIGUSR1);
    return cross_entropy(model(part.x), part.y);
  };
  return Trainer(model, sgd, world, options).fit(train, test);
}

TEST(Trainer, SavesAndStopsTogetherAtASignalAndGoesOnExactly) {
  const Scratch scratch;
  std::vector<float> whole, resumed;
  const WorldOptions shards{.shards = 2};
  on_ranks(
      1,
      [&](World& world) { train_blobs(world, {.epochs = 4, .folder = scratch / "whole"}, &whole); },
      shards);
  on_ranks(
      2,
      [&](World& world) {
        const TrainerReport report = stopped_run(world, scratch / "cut", 13);
        EXPECT_TRUE(report.is_stopped);
        EXPECT_EQ(report.exit_code(), 75);
        EXPECT_GE(report.steps, 13);
        EXPECT_LE(report.steps, 14);
      },
      shards);
  on_ranks(
      1,
      [&](World& world) {
        const TrainerReport report = train_blobs(
            world, {.epochs = 4, .folder = scratch / "cut", .resume = true, .is_exact = true},
            &resumed);
        EXPECT_EQ(report.steps, 4 * 9);
        EXPECT_EQ(report.exit_code(), 0);
      },
      shards);
  EXPECT_EQ(whole, resumed);
}

TEST(Trainer, ScoresAnEpochThatASignalEndsWith) {
  const Scratch scratch;
  on_ranks(1, [&](World& world) {
    const TrainerReport report = stopped_run(world, scratch / "run", 9);
    EXPECT_TRUE(report.is_stopped);
    EXPECT_EQ(report.steps, 9);
    EXPECT_EQ(report.score.samples, 100);
  });
}

TEST(Trainer, LeavesTheRanksTogetherAfterANotFiniteLossWhileTheyAgreeOnASignal) {
  on_ranks(3, [](World& world) {
    nn::Sequential model = small_model();
    optim::Sgd sgd(model.parameters(), {.lr = 0.1});
    data::Loader train(blobs(train_samples, 1), {.batch = batch, .seed = 3}, world.shards());
    data::Loader test(blobs(8, 2), {.batch = 4}, world.shards());
    TrainerOptions options{.stops_at_signal = true};
    int calls = 0;
    options.loss = [&](const data::Batch& part) {
      const Tensor loss = cross_entropy(model(part.x), part.y);
      return ++calls == 5 ? loss * std::numeric_limits<double>::quiet_NaN() : loss;
    };
    EXPECT_THAT(message_of([&] { Trainer(model, sgd, world, options).fit(train, test); }),
                HasSubstr("step 5: the loss is nan"));
    EXPECT_FALSE(world.communicator().is_poisoned());
    world.communicator().barrier();
  });
}

TEST(Trainer, SavesInTheMiddleOfEpochsAndKeepsTheNewest) {
  const Scratch scratch;
  on_ranks(2, [&](World& world) {
    train_blobs(world, {.epochs = 1, .folder = scratch / "run", .save_every = 2, .keep = 3});
  });
  for (const char* step : {"step-6", "step-8", "step-9"})
    EXPECT_TRUE(std::filesystem::exists(scratch / "run/last" / step)) << step;
  EXPECT_FALSE(std::filesystem::exists(scratch / "run/last/step-4"));
}

TEST(Trainer, RefusesToSaveEveryNegativeSteps) {
  on_ranks(1, [](World& world) {
    const auto error = failure_of<UsageError>([&] { train_blobs(world, {.save_every = -1}); });
    EXPECT_EQ(error.problem(), "Trainer: save_every -1, keep 2");
    EXPECT_EQ(error.fix(), "give 0 (after epochs only; all) or more");
    EXPECT_EQ(failure_of<UsageError>([&] { train_blobs(world, {.keep = -1}); }).problem(),
              "Trainer: save_every 0, keep -1");
  });
}

TEST(Trainer, FollowsASchedule) {
  const Scratch scratch;
  on_ranks(1, [&](World& world) {
    train_blobs(world, {.epochs = 2,
                        .folder = scratch / "run",
                        .schedule = optim::step_schedule({.lr = 0.5, .factor = 0.1, .every = 9})});
  });
  const auto rates = obs::read_metrics(scratch / "run/metrics.csv").column("learning_rate");
  EXPECT_EQ(rates.front(), 0.5);
  EXPECT_NEAR(rates.back(), 0.05, 1e-12);
}

TEST(Trainer, RefusesNoEpochs) {
  on_ranks(1, [](World& world) {
    const auto error = failure_of<UsageError>([&] { train_blobs(world, {.epochs = 0}); });
    EXPECT_THAT(error.problem(), HasSubstr("Trainer: 0 epochs, "));
    EXPECT_THAT(error.fix(), HasSubstr("ask for at least one epoch"));
  });
}

}  // namespace
}  // namespace lockstep::tests
