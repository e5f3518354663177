// A run that stops and goes on ends with the bits of one that never stopped.
#include <gtest/gtest.h>

#include <filesystem>
#include <mutex>
#include <set>

#include "lockstep/ops/rows.h"
#include "lockstep/optim/adamw.h"
#include "lockstep/parallel/checkpoint.h"
#include "lockstep/tensor/views.h"
#include "tests/support/scratch.h"
#include "tests/support/thread_world.h"
#include "tests/support/training_run.h"

namespace lockstep::tests {
namespace {

constexpr std::uint64_t seed = 5;

struct Span {
  Tail tail = Tail::automatic;
  int ranks = 1;
  int first = 0;
  int last = 0;
};

// Trains steps [first, last), begins with what `folder` holds and saves there at the end; the
// fingerprints of the ranks.
std::set<std::uint64_t> trained(Model kind, const Span& span, const std::filesystem::path& folder) {
  std::set<std::uint64_t> found;
  std::mutex mutex;
  on_ranks(
      span.ranks,
      [&](World& world) {
        const auto model = model_for(kind);
        optim::AdamW adam(model->parameters(), {.lr = 0.01, .weight_decay = 0.1});
        DataParallel ranks(*model, adam, world,
                           {.seed = seed, .bucket_bytes = 600, .tail = span.tail});
        if (span.first > 0) {
          for (const auto& [name, x] : model->state()) fill_elements(x, 0.5);
        }
        parallel::Checkpoint run{model->state(), adam.state(), {}, {}};
        EXPECT_EQ(parallel::load_checkpoint(folder, run, world.communicator()), span.first > 0);
        EXPECT_EQ(run.progress.step, span.first);
        ranks.resume_at(run.progress.step);
        for (int step = span.first; step < span.last; ++step) {
          adam.use_learning_rate(0.01 / (1 + step));
          ranks.step(batch_of({.model = kind}, step, world.shards()),
                     [&](const Part& part) { return cross_entropy((*model)(part.x), part.y); });
        }
        ranks.gather_optimizer_state();
        run = {model->state(), adam.state(), {ranks.steps(), seed, 0, 0}, {}};
        parallel::save_checkpoint(folder, run, world.communicator());
        State everything = run.model;
        everything.insert(everything.end(), run.optimizer.begin(), run.optimizer.end());
        const std::lock_guard lock(mutex);
        found.insert(fingerprint(everything));
      },
      {.shards = 4});
  return found;
}

TEST(Resume, GivesTheBitsOfARunThatNeverStoppedExact) {
  for (const Model kind : {Model::mlp, Model::cnn}) {
    const Scratch whole;
    const auto expected = trained(kind, {.ranks = 1, .first = 0, .last = 12}, whole.folder());
    ASSERT_EQ(expected.size(), 1U);
    for (const Tail tail : {Tail::automatic, Tail::plain, Tail::fused}) {
      const Scratch parts;
      trained(kind, {.tail = tail, .ranks = 2, .first = 0, .last = 5}, parts.folder());
      EXPECT_NE(trained(kind, {.tail = tail, .ranks = 4, .first = 5, .last = 8}, parts.folder()),
                expected);
      EXPECT_EQ(trained(kind, {.tail = tail, .ranks = 3, .first = 8, .last = 12}, parts.folder()),
                expected);
    }
  }
}

}  // namespace
}  // namespace lockstep::tests
