#include "lockstep/parallel/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
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

// A run at `step` in which every element has a value of its own.
Checkpoint run_at(std::int64_t step, std::int64_t elements = 6) {
  const auto first = static_cast<double>(step);
  return {{{"weight", arange(first, first + static_cast<double>(elements))},
           {"mean", full({3}, first, {.dtype = DType::f64})}},
          {{"momentum.weight", arange(-first, -first + static_cast<double>(elements))},
           {"steps", full({}, first, {.dtype = DType::i64})}},
          {step, 0x9123456789abcdefU, 2, step * 8},
          {{"shards", "4"}, {"threads", "1"}}};
}

// The same tensors without their values.
Checkpoint blank(std::int64_t elements = 6) {
  Checkpoint run = run_at(0, elements);
  for (State* state : {&run.model, &run.optimizer}) {
    for (auto& [name, x] : *state) fill_elements(x, 99);
  }
  run.progress = {};
  run.configuration.clear();
  return run;
}

void expect_equal(const Checkpoint& a, const Checkpoint& b) {
  EXPECT_EQ(a.progress, b.progress);
  EXPECT_EQ(a.configuration, b.configuration);
  for (const auto member : {&Checkpoint::model, &Checkpoint::optimizer}) {
    ASSERT_EQ((a.*member).size(), (b.*member).size());
    for (std::size_t i = 0; i < (a.*member).size(); ++i) {
      EXPECT_EQ((a.*member)[i].first, (b.*member)[i].first);
      EXPECT_EQ((a.*member)[i].second.to_vector<double>(),
                (b.*member)[i].second.to_vector<double>());
    }
  }
}

fs::path save(const fs::path& folder, const Checkpoint& run, const SaveOptions& options = {}) {
  const auto alone = comm::self();
  return save_checkpoint(folder, run, *alone, options);
}

bool load(const fs::path& folder, Checkpoint& into) {
  const auto alone = comm::self();
  return load_checkpoint(folder, into, *alone);
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// A damaged checkpoint is refused and changes nothing; the complaint.
std::string refusal_of(const fs::path& folder) {
  Checkpoint into = blank();
  const auto error = failure_of<IoError>([&] { (void)load(folder, into); });
  expect_equal(into, blank());
  EXPECT_FALSE(error.fix().empty());
  return error.problem();
}

TEST(Checkpoint, GivesBackExactlyWhatWasSaved) {
  const Scratch scratch;
  EXPECT_EQ(save(scratch.folder(), run_at(7)), scratch / "step-7");
  Checkpoint into = blank();
  ASSERT_TRUE(load(scratch.folder(), into));
  expect_equal(into, run_at(7));
}

TEST(Checkpoint, LoadsIntoTheMemoryOfTheModel) {
  const Scratch scratch;
  save(scratch.folder(), run_at(7));
  Checkpoint into = blank();
  const Tensor weight = into.model[0].second;
  const void* place = weight.view().data;
  ASSERT_TRUE(load(scratch.folder(), into));
  EXPECT_EQ(weight.view().data, place);
  EXPECT_EQ(weight.at({5}), 12);
}

TEST(Checkpoint, GivesEveryRankTheBytesOfRankZeroExact) {
  for (const int size : {1, 2, 3, 5}) {
    const Scratch scratch;
    tests::on_ranks(size, [&](World& world) {
      save_checkpoint(scratch.folder(), run_at(world.rank() == 0 ? 3 : 4), world.communicator());
      Checkpoint into = blank();
      EXPECT_TRUE(load_checkpoint(scratch.folder(), into, world.communicator()));
      expect_equal(into, run_at(3));
    });
    EXPECT_EQ(names_in(scratch.folder()), std::vector<std::string>{"step-3"});
  }
}

TEST(Checkpoint, TellsEveryRankWhatFailedOnRankZero) {
  const Scratch scratch;
  std::ofstream(scratch / "file") << "in the way";
  tests::on_ranks(3, [&](World& world) {
    const auto error = failure_of<IoError>(
        [&] { save_checkpoint(scratch / "file", run_at(1), world.communicator()); });
    EXPECT_THAT(error.problem(), HasSubstr((scratch / "file").string()));
    save_checkpoint(scratch / "folder", run_at(1), world.communicator());
    Checkpoint into = blank(5);
    const auto mismatch = failure_of<IoError>(
        [&] { (void)load_checkpoint(scratch / "folder", into, world.communicator()); });
    EXPECT_THAT(mismatch.problem(), HasSubstr("\"weight\" is f32 [6], but f32 [5] here"));
  });
}

TEST(Checkpoint, SaysWhereThereIsNone) {
  const Scratch scratch;
  Checkpoint into = blank();
  EXPECT_FALSE(load(scratch.folder(), into));
  EXPECT_FALSE(load(scratch / "absent", into));
  expect_equal(into, blank());
  EXPECT_EQ(latest_checkpoint(scratch.folder()), std::nullopt);
  EXPECT_THAT(refusal_of(scratch / "step-3"), HasSubstr("there is no such checkpoint"));
}

TEST(Checkpoint, FindsTheNewestByNumber) {
  const Scratch scratch;
  for (const std::int64_t step : {9, 100, 20}) save(scratch.folder(), run_at(step), {.keep = 0});
  EXPECT_EQ(latest_checkpoint(scratch.folder()), scratch / "step-100");
  Checkpoint into = blank();
  ASSERT_TRUE(load(scratch / "step-20", into));
  EXPECT_EQ(into.progress.step, 20);
}

TEST(Checkpoint, KeepsTheNewestOnly) {
  const Scratch scratch;
  for (std::int64_t step = 1; step <= 5; ++step) save(scratch.folder(), run_at(step), {.keep = 2});
  EXPECT_EQ(names_in(scratch.folder()), (std::vector<std::string>{"step-4", "step-5"}));
  save(scratch.folder(), run_at(6), {.keep = 1});
  EXPECT_EQ(names_in(scratch.folder()), std::vector<std::string>{"step-6"});
}

TEST(Checkpoint, ReplacesOneOfTheSameStep) {
  const Scratch scratch;
  save(scratch.folder(), run_at(5));
  Checkpoint other = run_at(5);
  other.progress.position = 77;
  save(scratch.folder(), other);
  Checkpoint into = blank();
  ASSERT_TRUE(load(scratch.folder(), into));
  EXPECT_EQ(into.progress.position, 77);
  EXPECT_EQ(names_in(scratch.folder()), std::vector<std::string>{"step-5"});
}

TEST(Checkpoint, IgnoresAndRemovesWhatADeadProcessLeft) {
  const Scratch scratch;
  const pid_t gone = fork();
  if (gone == 0) _exit(0);
  waitpid(gone, nullptr, 0);
  const fs::path leftover = scratch / ("step-9.tmp-" + std::to_string(gone));
  const fs::path of_living = scratch / ("step-9.tmp-" + std::to_string(getppid()));
  fs::create_directories(leftover / "sub");
  fs::create_directory(of_living);
  Checkpoint into = blank();
  EXPECT_FALSE(load(scratch.folder(), into));
  save(scratch.folder(), run_at(1));
  EXPECT_FALSE(fs::exists(leftover));
  EXPECT_TRUE(fs::exists(of_living));
}

TEST(Checkpoint, RefusesAHalfWrittenOne) {
  const Scratch scratch;
  const fs::path path = save(scratch.folder(), run_at(4));
  fs::remove(path / "manifest.json");
  EXPECT_THAT(refusal_of(scratch.folder()), HasSubstr("half written: it has no manifest.json"));
}

TEST(Checkpoint, RefusesMissingAndShortenedFiles) {
  for (const char* name : {"model.safetensors", "optimizer.safetensors"}) {
    const Scratch scratch;
    const fs::path path = save(scratch.folder(), run_at(4));
    const auto bytes = fs::file_size(path / name);
    fs::resize_file(path / name, bytes - 1);
    EXPECT_THAT(refusal_of(scratch.folder()),
                HasSubstr(std::string(name) + " holds " + std::to_string(bytes - 1) + " bytes, " +
                          std::to_string(bytes) + " were saved"));
    fs::remove(path / name);
    EXPECT_THAT(refusal_of(scratch.folder()), HasSubstr(std::string(name) + " is missing"));
  }
}

TEST(Checkpoint, NamesTheNewestOlderOneThatIsWhole) {
  const Scratch scratch;
  for (std::int64_t step = 1; step <= 4; ++step) save(scratch.folder(), run_at(step), {.keep = 0});
  fs::remove(scratch / "step-3/model.safetensors");
  fs::remove(scratch / "step-4/manifest.json");
  Checkpoint into = blank();
  const auto error = failure_of<IoError>([&] { (void)load(scratch.folder(), into); });
  EXPECT_EQ(error.fix(), "delete " + (scratch / "step-4").string() + " to go on from " +
                             (scratch / "step-2").string() + ", which is whole");
  fs::remove_all(scratch / "step-1");
  fs::remove_all(scratch / "step-2");
  const auto none = failure_of<IoError>([&] { (void)load(scratch.folder(), into); });
  EXPECT_EQ(none.fix(), "delete that folder, and start anew");
}

TEST(Checkpoint, RefusesEveryFlippedByte) {
  const Scratch scratch;
  const fs::path path = save(scratch.folder(), run_at(4));
  std::mt19937 random(4);
  for (const std::string& name : names_in(path)) {
    const std::string whole = tests::text_of(path / name);
    for (int round = 0; round < 40; ++round) {
      std::string damaged = whole;
      std::size_t place = random() % whole.size();
      while (std::isspace(static_cast<unsigned char>(whole[place])) != 0) ++place %= whole.size();
      damaged[place] = static_cast<char>(damaged[place] ^ (1 << random() % 8));
      std::ofstream(path / name, std::ios::binary) << damaged;
      refusal_of(scratch.folder());
    }
    std::ofstream(path / name, std::ios::binary) << whole;
  }
  Checkpoint into = blank();
  EXPECT_TRUE(load(scratch.folder(), into));
}

TEST(Checkpoint, RefusesAnotherVersion) {
  const Scratch scratch;
  const fs::path manifest = save(scratch.folder(), run_at(4)) / "manifest.json";
  std::string text = tests::text_of(manifest);
  text.replace(text.find("\"version\": 1"), 12, "\"version\": 7");
  std::ofstream(manifest) << text;
  EXPECT_THAT(refusal_of(scratch.folder()), HasSubstr("is of version 7; this library reads 1"));
}

TEST(Checkpoint, RefusesAnotherModelOrOptimizer) {
  const Scratch scratch;
  save(scratch.folder(), run_at(4));
  Checkpoint into = blank();
  into.optimizer[0].first = "square.weight";
  const auto error = failure_of<IoError>([&] { (void)load(scratch.folder(), into); });
  EXPECT_THAT(error.problem(), HasSubstr("optimizer.safetensors: it lacks \"square.weight\""));
  EXPECT_EQ(into.model[0].second.at({0}), 99);
}

TEST(Checkpoint, NamesEverySettingThatDiffers) {
  const Configuration saved{{"shards", "4"}, {"threads", "1"}, {"backend", "cpu"}};
  EXPECT_TRUE(differences(saved, saved).empty());
  EXPECT_EQ(differences(saved, {{"shards", "4"}, {"threads", "2"}, {"isa", "avx2"}}),
            (std::vector<std::string>{"backend: cpu when it was saved, unset now",
                                      "isa: unset when it was saved, avx2 now",
                                      "threads: 1 when it was saved, 2 now"}));
}

TEST(Checkpoint, KeepsTheOldOnesWhenTheDiskIsFull) {
  const tests::SmallDisk disk;
  if (!disk.is_there()) GTEST_SKIP() << "mounting a small disk needs root";
  save(disk.folder(), run_at(1, 50'000));
  const auto error = failure_of<IoError>([&] { save(disk.folder(), run_at(2, 90'000)); });
  EXPECT_THAT(error.problem(), HasSubstr("No space left on device"));
  EXPECT_THAT(error.fix(), HasSubstr("free some space"));
  EXPECT_EQ(names_in(disk.folder()), std::vector<std::string>{"step-1"});
  Checkpoint into = blank(50'000);
  ASSERT_TRUE(load(disk.folder(), into));
  expect_equal(into, run_at(1, 50'000));
}

// The child saves as fast as it can; each kill must leave a whole checkpoint, never an older one
// than the last that was complete before.
TEST(Checkpoint, IsWholeWhenItsWriterIsKilledAtAnyMoment) {
  const Scratch scratch;
  const std::int64_t elements = 20'000;
  const auto begin = std::chrono::steady_clock::now();
  save(scratch.folder(), run_at(1, elements));
  const std::chrono::duration<double> one_save = std::chrono::steady_clock::now() - begin;
  std::mt19937 random(6);
  std::uniform_real_distribution<double> saves(0, 4);
  std::int64_t newest = 1;
  for (int round = 0; round < 40; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      for (std::int64_t step = newest + 1;; ++step) {
        save(scratch.folder(), run_at(step, elements), {.keep = 2});
        save(scratch.folder(), run_at(step, elements), {.keep = 2});
      }
    }
    std::this_thread::sleep_for(one_save * saves(random));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    Checkpoint into = blank(elements);
    ASSERT_TRUE(load(scratch.folder(), into));
    ASSERT_GE(into.progress.step, newest);
    newest = into.progress.step;
    expect_equal(into, run_at(newest, elements));
  }
  EXPECT_GT(newest, 5);
}

}  // namespace
}  // namespace lockstep::parallel
