// Trains a model epoch by epoch and keeps what people and later runs need: metrics, curves,
// checkpoints.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "lockstep/comm/world.h"
#include "lockstep/data/loader.h"
#include "lockstep/nn/module.h"
#include "lockstep/optim/optimizer.h"
#include "lockstep/optim/schedule.h"
#include "lockstep/parallel/data_parallel.h"
#include "lockstep/train/evaluate.h"
#include "lockstep/train/stop_signal.h"

namespace lockstep::train {

struct TrainerOptions {
  std::int64_t epochs = 1;  // in all, those before a resume included
  // Where the run is kept; empty: nowhere. Holds metrics.csv, metrics.jsonl and curves.svg, the
  // newest checkpoint in last/ and the one with the best score in best/.
  std::filesystem::path folder = {};
  std::string title = "Training";  // of the curves
  bool resume = false;             // go on from last/ where there is one
  bool is_exact = false;           // refuse to go on where shards, threads or backend differ
  std::int64_t save_every = 0;     // steps between saves, besides those after every epoch; 0: none
  int keep = 2;                    // newest checkpoints that stay in each of last/ and best/
  bool stops_at_signal = false;    // SIGUSR1: save after the step, and return
  int rows_per_epoch = 20;         // of metrics, besides the one with the scores
  optim::Schedule schedule = {};   // learning rate of each step; none: the optimizer's own
  std::function<Tensor(const data::Batch& part)> loss =
      {};                // mean over a part; none: cross-entropy of model(x) and y
  Measure measure = {};  // how a part of the test set is scored; none: as a classifier
  DataParallelOptions parallel = {};
};

struct TrainerReport {
  Score score;  // after the last epoch
  Score
      best;  // of the epoch with the most accurate model (with the least loss where accuracy is 0)
  bool is_stopped = false;   // by a signal; end the program with exit_code()
  std::int64_t steps = 0;    // in all
  std::int64_t samples = 0;  // trained on by this call
  double seconds = 0;        // spent in training, without evaluation and saving
  double samples_per_second() const { return static_cast<double>(samples) / seconds; }
  // 75 after a stop by a signal, which asks for another start; else 0.
  int exit_code() const { return is_stopped ? stopped_exit_code : 0; }
};

// Does not own what it is given. All ranks make the same calls. A loss that is NaN or infinite ends
// the run with an Error before the weights change; last/ then holds the state that was saved last.
class Trainer {
 public:
  using Options = TrainerOptions;

  Trainer(nn::Module& model, optim::Optimizer& optimizer, World& world,
          const TrainerOptions& options = {});

  // Trains on `train`, which must be cut by world.shards(), and scores the model on `test` after
  // every epoch. Checkpoints are written in the background; when it returns they are published. One
  // that cannot be written is an IoError on all ranks, at the next save or at the end.
  TrainerReport fit(data::Loader& train, data::Loader& test);

  DataParallel& ranks() { return ranks_; }

 private:
  class Run;
  nn::Module& model_;
  optim::Optimizer& optimizer_;
  World& world_;
  Options options_;
  DataParallel ranks_;
};

}  // namespace lockstep::train
