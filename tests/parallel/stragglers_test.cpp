// A rank that is delayed on purpose is named in every step's report, and in one warning.
#include "src/parallel/stragglers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "lockstep/ops/rows.h"
#include "lockstep/optim/sgd.h"
#include "tests/support/failure.h"
#include "tests/support/thread_world.h"
#include "tests/support/training_run.h"

namespace lockstep::tests {
namespace {

using testing::HasSubstr;

constexpr std::chrono::milliseconds delay(10);

struct Delays {
  int in_compute = -1;  // the rank that is delayed there
  int between = -1;
};

// Trains for 25 steps; the reports of the last ten, as rank 0 has them.
std::vector<StepReport> reports_of(int size, const Delays& delays) {
  std::vector<StepReport> reports;
  on_ranks(size, [&](World& world) {
    const TrainingRun run{.model = Model::mlp};
    const auto model = model_for(run.model);
    optim::Sgd sgd(model->parameters());
    DataParallel ranks(*model, sgd, world, {.straggler_share = 0.2, .straggler_steps = 10});
    for (int step = 0; step < 25; ++step) {
      const auto batch = batch_of(run, 0, world.shards());
      if (world.rank() == delays.between) std::this_thread::sleep_for(delay);
      const StepReport report = ranks.step(batch, [&](const Part& part) {
        if (world.rank() == delays.in_compute) std::this_thread::sleep_for(delay);
        return cross_entropy((*model)(part.x), part.y);
      });
      if (world.is_root() && step >= 15) reports.push_back(report);
    }
  });
  return reports;
}

// A busy machine may hold up any rank for a step or two.
int steps_that_waited(const std::vector<StepReport>& reports, int straggler) {
  int steps = 0;
  for (const StepReport& report : reports) {
    bool is_as_expected = report.slowest_rank == straggler;
    for (std::size_t rank = 0; rank < report.rank_waits.size(); ++rank) {
      const double wait = report.rank_waits[rank];
      is_as_expected &= static_cast<int>(rank) == straggler ? wait == 0 : wait > 0.005;
    }
    if (is_as_expected) ++steps;
  }
  return steps;
}

TEST(Stragglers, AreNamedInEveryStepWithTheWaitsOfTheOthers) {
  for (const int size : {2, 3}) {
    const auto reports = reports_of(size, {.in_compute = 1});
    ASSERT_EQ(reports.size(), 10U);
    EXPECT_EQ(reports[0].rank_waits.size(), static_cast<std::size_t>(size));
    EXPECT_GE(steps_that_waited(reports, 1), 7);
  }
}

TEST(Stragglers, AreWarnedOfOnceWithRankAndPhase) {
  testing::internal::CaptureStderr();
  reports_of(3, {.in_compute = 2});
  std::string text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, HasSubstr("warning: the others wait for rank 2 of 3: over the last 10 steps"));
  EXPECT_THAT(text, HasSubstr("behind the median, in compute; look for other work on its cores"));
  EXPECT_EQ(text.find("the others wait"), text.rfind("the others wait"));
  testing::internal::CaptureStderr();
  reports_of(2, {.between = 1});
  text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, HasSubstr("wait for rank 1 of 2"));
  EXPECT_THAT(text, HasSubstr("between steps (data loading)"));
}

TEST(Stragglers, RefuseOptionsThatMeanNothing) {
  on_ranks(1, [](World& world) {
    const auto model = model_for(Model::mlp);
    optim::Sgd sgd(model->parameters());
    EXPECT_THAT(
        message_of<UsageError>([&] { DataParallel(*model, sgd, world, {.straggler_steps = -1}); }),
        testing::AllOf(HasSubstr("straggler_share is 0.2, straggler_steps is -1"),
                       HasSubstr("or 0 steps to look for none")));
  });
}

}  // namespace
}  // namespace lockstep::tests
