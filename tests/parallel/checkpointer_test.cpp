#include "lockstep/parallel/checkpointer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <random>
#include <thread>

#include "lockstep/base/error.h"
#include "lockstep/comm/transport.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"
#include "tests/support/failure.h"
#include "tests/support/scratch.h"
#include "tests/support/small_disk.h"
#include "tests/support/thread_world.h"

namespace lockstep::parallel {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using tests::failure_of;
using tests::Scratch;

// A run at `step` whose elements all are its number.
Checkpoint run_at(std::int64_t step, std::int64_t elements = 1000) {
  const auto value = static_cast<double>(step);
  return {{{"weight", full({elements}, value)}},
          {{"momentum", full({elements}, -value)}},
          {step, 1, 0, 0},
          {{"shards", "1"}}};
}

// The step that `folder` holds; every element must be of that step.
std::int64_t step_in(const fs::path& folder, comm::Communicator& ranks,
                     std::int64_t elements = 1000) {
  Checkpoint into = run_at(0, elements);
  if (!load_checkpoint(folder, into, ranks)) return 0;
  const Checkpoint expected = run_at(into.progress.step, elements);
  EXPECT_EQ(into.model[0].second.to_vector(), expected.model[0].second.to_vector());
  EXPECT_EQ(into.optimizer[0].second.to_vector(), expected.optimizer[0].second.to_vector());
  return into.progress.step;
}

TEST(Checkpointer, SavesTheStateOfTheCallWhateverHappensToItLater) {
  const Scratch scratch;
  tests::on_ranks(3, [&](World& world) {
    Checkpointer checkpointer(world.communicator(), {.keep = 0});
    Checkpoint run = run_at(0, 200'000);
    for (std::int64_t step = 1; step <= 4; ++step) {
      fill_elements(run.model[0].second, static_cast<double>(step));
      fill_elements(run.optimizer[0].second, static_cast<double>(-step));
      run.progress.step = step;
      checkpointer.save(scratch.folder(), run);
      fill_elements(run.model[0].second, 99);
      fill_elements(run.optimizer[0].second, 99);
    }
    checkpointer.wait();
    for (std::int64_t step = 1; step <= 4; ++step) {
      const fs::path folder = scratch / ("step-" + std::to_string(step));
      EXPECT_EQ(step_in(folder, world.communicator(), 200'000), step);
    }
  });
}

TEST(Checkpointer, IsDoneWithTheLastSaveWhenItGoes) {
  const Scratch scratch;
  const auto alone = comm::self();
  { Checkpointer(*alone).save(scratch.folder(), run_at(3, 300'000)); }
  EXPECT_EQ(step_in(scratch.folder(), *alone, 300'000), 3);
}

TEST(Checkpointer, WritesOneCopyToSeveralFolders) {
  const Scratch scratch;
  const auto alone = comm::self();
  Checkpointer checkpointer(*alone);
  checkpointer.save_to({scratch / "last", scratch / "best"}, run_at(3));
  checkpointer.wait();
  EXPECT_FALSE(checkpointer.is_writing());
  EXPECT_EQ(step_in(scratch / "last", *alone), 3);
  EXPECT_EQ(step_in(scratch / "best", *alone), 3);
}

TEST(Checkpointer, KeepsTheNewestOnly) {
  const Scratch scratch;
  const auto alone = comm::self();
  Checkpointer checkpointer(*alone, {.keep = 2});
  for (std::int64_t step = 1; step <= 5; ++step) checkpointer.save(scratch.folder(), run_at(step));
  checkpointer.wait();
  EXPECT_FALSE(fs::exists(scratch / "step-3"));
  EXPECT_TRUE(fs::exists(scratch / "step-4"));
  EXPECT_TRUE(fs::exists(scratch / "step-5"));
}

TEST(Checkpointer, TellsAllRanksAtTheNextCallWhatFailedAndGoesOn) {
  const Scratch scratch;
  std::ofstream(scratch / "file") << "in the way";
  tests::on_ranks(3, [&](World& world) {
    Checkpointer checkpointer(world.communicator());
    checkpointer.save(scratch / "file", run_at(1));
    const auto error = failure_of<IoError>([&] { checkpointer.save(scratch / "run", run_at(2)); });
    EXPECT_THAT(error.problem(), HasSubstr((scratch / "file").string()));
    checkpointer.save(scratch / "run", run_at(2));
    checkpointer.wait();
    EXPECT_EQ(step_in(scratch / "run", world.communicator()), 2);
    checkpointer.save(scratch / "file", run_at(3));
    EXPECT_THAT(failure_of<IoError>([&] { checkpointer.wait(); }).problem(),
                HasSubstr((scratch / "file").string()));
    checkpointer.wait();
  });
}

TEST(Checkpointer, LogsAFailureThatNobodyMet) {
  const Scratch scratch;
  std::ofstream(scratch / "file") << "in the way";
  const auto alone = comm::self();
  testing::internal::CaptureStderr();
  { Checkpointer(*alone).save(scratch / "file", run_at(7)); }
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("error: the checkpoint of step 7 is not saved: "));
}

TEST(Checkpointer, SaysThatTheDiskIsFullAndLosesNothing) {
  const tests::SmallDisk disk;
  if (!disk.is_there()) GTEST_SKIP() << "mounting a small disk needs root";
  tests::on_ranks(2, [&](World& world) {
    Checkpointer checkpointer(world.communicator());
    checkpointer.save(disk.folder(), run_at(1, 50'000));
    const Checkpoint large = run_at(2, 200'000);
    checkpointer.save(disk.folder(), large);
    const auto error = failure_of<IoError>([&] { checkpointer.wait(); });
    EXPECT_THAT(error.problem(), HasSubstr("No space left on device"));
    EXPECT_THAT(error.fix(), HasSubstr("free some space"));
    EXPECT_EQ(step_in(disk.folder(), world.communicator(), 50'000), 1);
    EXPECT_EQ(large.model[0].second.to_vector(), std::vector<float>(200'000, 2));
  });
}

void wait_for_checkpoint(const fs::path& folder, std::int64_t step) {
  // A sync takes seconds where others keep the disk busy.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  while (!fs::exists(folder / ("step-" + std::to_string(step)))) {
    ASSERT_LT(std::chrono::steady_clock::now(), end);
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

// The child saves as fast as it can, so that a kill nearly always finds its thread writing.
TEST(Checkpointer, LeavesAWholeCheckpointWhenItIsKilledAtAnyMoment) {
  const Scratch scratch;
  const auto alone = comm::self();
  constexpr std::int64_t elements = 20'000;
  const auto begin = std::chrono::steady_clock::now();
  { Checkpointer(*alone).save(scratch.folder(), run_at(1, elements)); }
  const std::chrono::duration<double> one_save = std::chrono::steady_clock::now() - begin;
  std::mt19937 random(8);
  std::uniform_real_distribution<double> saves(0, 2);
  std::int64_t newest = 1;
  for (int round = 0; round < 15; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      Checkpointer checkpointer(*alone, {.keep = 2});
      for (std::int64_t step = newest + 1;; ++step)
        checkpointer.save(scratch.folder(), run_at(step, elements));
    }
    // Every third one is killed before it has saved anything.
    if (round % 3 != 0) wait_for_checkpoint(scratch.folder(), newest + 1);
    std::this_thread::sleep_for(one_save * saves(random));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    const std::int64_t step = step_in(scratch.folder(), *alone, elements);
    ASSERT_GE(step, newest);
    newest = step;
  }
  EXPECT_GT(newest, 10);
}

}  // namespace
}  // namespace lockstep::parallel
