#include "lockstep/train/trainer.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

#include "lockstep/autograd/grad_mode.h"
#include "lockstep/base/error.h"
#include "lockstep/obs/log.h"
#include "lockstep/obs/progress.h"
#include "lockstep/ops/rows.h"
#include "lockstep/parallel/checkpointer.h"
#include "lockstep/parallel/configuration.h"
#include "src/train/records.h"

namespace lockstep::train {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Rank 0's value on every rank.
Score shared(Score score, World& world) {
  double values[] = {score.loss, score.accuracy, static_cast<double>(score.samples)};
  world.communicator()
      .broadcast(core::Buffer{values, 3, DType::f64}, 0, core::current_stream({}))
      .wait();
  return {values[0], values[1], static_cast<std::int64_t>(values[2])};
}

}  // namespace

Trainer::Trainer(nn::Module& model, optim::Optimizer& optimizer, World& world,
                 const TrainerOptions& options)
    : model_(model),
      optimizer_(optimizer),
      world_(world),
      options_(options),
      ranks_(model, optimizer, world, options.parallel) {
  check<UsageError>(options.epochs >= 1 && options.rows_per_epoch >= 0, [&] {
    return Complaint{
        fmt::format("Trainer: {} epochs, {} rows an epoch", options.epochs, options.rows_per_epoch),
        "ask for at least one epoch, and not for less than no rows"};
  });
  check<UsageError>(options.save_every >= 0 && options.keep >= 0, [&] {
    return Complaint{
        fmt::format("Trainer: save_every {}, keep {}", options.save_every, options.keep),
        "give 0 (after epochs only; all) or more"};
  });
  if (!options_.loss) {
    options_.loss = [this](const data::Batch& part) {
      return cross_entropy(model_(part.x), part.y);
    };
  }
}

// One call of fit.
class Trainer::Run {
 public:
  Run(Trainer& trainer, data::Loader& train, data::Loader& test)
      : options_(trainer.options_),
        model_(trainer.model_),
        optimizer_(trainer.optimizer_),
        world_(trainer.world_),
        ranks_(trainer.ranks_),
        train_(train),
        test_(test),
        first_epoch_(resume()),
        records_(world_.is_root() ? options_.folder : "", options_.title, ranks_.steps()),
        checkpointer_(world_.communicator(), {.keep = options_.keep}) {
    report_.best = shared(records_.best_so_far(), world_);
    if (options_.stops_at_signal) stop_.emplace(world_.communicator());
  }

  TrainerReport run() {
    model_.train();
    for (std::int64_t epoch = first_epoch_; epoch < options_.epochs && !report_.is_stopped; ++epoch)
      run_one(epoch);
    if (report_.score.samples == 0 && !report_.is_stopped)
      report_.score = score();  // a resumed run that was complete
    checkpointer_.wait();
    report_.steps = ranks_.steps();
    return report_;
  }

 private:
  parallel::Checkpoint checkpoint() {
    ranks_.gather_optimizer_state();
    auto configuration = parallel::configuration_of(world_, options_.parallel);
    configuration["batches an epoch"] = std::to_string(train_.batches());
    if (const auto dtype = optimizer_.half_precision())
      configuration["computes in"] = name_of(*dtype);
    const data::Cursor cursor = train_.cursor();
    return {.model = model_.state(),
            .optimizer = optimizer_.state(),
            .progress = {ranks_.steps(), options_.parallel.seed, cursor.epoch, cursor.position},
            .configuration = std::move(configuration)};
  }

  // The epoch to begin with.
  std::int64_t resume() {
    if (!options_.resume || options_.folder.empty()) return 0;
    parallel::Checkpoint from = checkpoint();
    const parallel::Configuration now = from.configuration;
    if (!parallel::load_checkpoint(options_.folder / "last", from, world_.communicator())) return 0;
    report_differences(from.configuration, now);
    ranks_.resume_at(from.progress.step);
    train_.restore({from.progress.epoch, from.progress.position});
    return from.progress.epoch;
  }

  void report_differences(const parallel::Configuration& saved,
                          const parallel::Configuration& now) const {
    const auto differences = parallel::differences(saved, now);
    if (differences.empty()) return;
    const std::string shards = saved.count("shards") > 0 ? saved.at("shards") : "";
    const std::string all = fmt::format("{}", fmt::join(differences, "; "));
    const std::string fix = "run it as it was (LOCKSTEP_SHARDS=" + shards + ")";
    check<UsageError>(!options_.is_exact, [&] {
      return Complaint{"Trainer: an exact resume is asked for, but " + all,
                       fix + ", or do not ask for exactness"};
    });
    if (world_.is_root())
      obs::warning("the bits will differ after this resume: " + all + "; to keep them " + fix);
  }

  void run_one(std::int64_t epoch) {
    const std::int64_t left = train_.samples() - done_before(epoch);
    obs::Progress progress(left, {.label = fmt::format("epoch {}/{}", epoch + 1, options_.epochs),
                                  .is_silent = !world_.is_root()});
    if (!train_one(epoch, progress)) {
      save({options_.folder / "last"});
      progress.finish(fmt::format("stopped by a signal after step {}", ranks_.steps()));
      return;
    }
    report_.score = score();
    progress.finish(fmt::format("test loss {:.4f}  test accuracy {:.4f}", report_.score.loss,
                                report_.score.accuracy));
    records_.write(row(static_cast<double>(epoch + 1)), report_.score);
    save_scored();
  }

  // Samples of the epoch that an earlier run has done.
  std::int64_t done_before(std::int64_t epoch) const {
    return train_.cursor().epoch == epoch ? train_.cursor().position : 0;
  }

  // False where a signal has stopped it in the middle of the epoch.
  bool train_one(std::int64_t epoch, obs::Progress& progress) {
    const double begin = now();
    const std::int64_t every = std::max<std::int64_t>(
        1, options_.rows_per_epoch > 0 ? train_.batches() / options_.rows_per_epoch
                                       : train_.batches() + 1);
    std::int64_t done = done_before(epoch);
    const std::int64_t done_at_begin = done;
    std::int64_t batches = done > 0 ? ranks_.steps() % train_.batches() : 0;
    for (const data::GlobalBatch& batch : train_.epoch(epoch)) {
      if (options_.schedule) optimizer_.use_learning_rate(options_.schedule(ranks_.steps()));
      const StepReport step = ranks_.step(batch, options_.loss);
      loss_sum_ += step.loss * step.weight;
      weight_sum_ += step.weight;
      report_.samples += batch.count;
      done += batch.count;
      progress.advance(batch.count, step.loss);
      rate_ = static_cast<double>(done - done_at_begin) / (now() - begin);
      if (++batches % every == 0 && done < train_.samples()) {
        records_.write(row(static_cast<double>(epoch) +
                           static_cast<double>(done) / static_cast<double>(train_.samples())));
      }
      if (stop_ && stop_->is_requested()) report_.is_stopped = true;
      if (done == train_.samples()) continue;  // saved with its score
      if (report_.is_stopped) break;
      if (options_.save_every > 0 && ranks_.steps() % options_.save_every == 0)
        save({options_.folder / "last"});
    }
    report_.seconds += now() - begin;
    return done == train_.samples();
  }

  // The mean loss since the last row.
  Records::Row row(double epoch) {
    const double loss = loss_sum_ / weight_sum_;
    loss_sum_ = weight_sum_ = 0;
    return {ranks_.steps(), epoch, loss, optimizer_.learning_rate(), rate_};
  }

  Score score() {
    if (!options_.measure) return evaluate(model_, test_, world_);
    model_.eval();
    const NoGrad no_grad;
    const Score score = evaluate(test_, world_, options_.measure);
    model_.train();
    return score;
  }

  void save_scored() {
    const bool is_best = is_better(report_.score, report_.best);
    if (is_best) report_.best = report_.score;
    const std::filesystem::path& folder = options_.folder;
    is_best ? save({folder / "last", folder / "best"}) : save({folder / "last"});
  }

  void save(const std::vector<std::filesystem::path>& folders) {
    if (options_.folder.empty()) return;
    checkpointer_.save_to(folders, checkpoint());
  }

  const Options& options_;
  nn::Module& model_;
  optim::Optimizer& optimizer_;
  World& world_;
  DataParallel& ranks_;
  data::Loader& train_;
  data::Loader& test_;
  std::int64_t first_epoch_;
  Records records_;
  parallel::Checkpointer checkpointer_;
  std::optional<StopSignal> stop_;
  TrainerReport report_;
  double loss_sum_ = 0;
  double weight_sum_ = 0;
  double rate_ = 0;
};

TrainerReport Trainer::fit(data::Loader& train, data::Loader& test) {
  return Run(*this, train, test).run();
}

}  // namespace lockstep::train
