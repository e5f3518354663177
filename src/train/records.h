// What a run leaves in its folder for people: metrics row by row, and the curves drawn from them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "lockstep/obs/metrics.h"
#include "lockstep/train/evaluate.h"

namespace lockstep::train {

// Does nothing where the folder is empty. Only rank 0 makes one with a folder.
class Records {
 public:
  // `steps`: rows of later steps, which a run before its resume may have left, are dropped; 0
  // starts anew.
  Records(const std::filesystem::path& folder, std::string title, std::int64_t steps);

  struct Row {
    std::int64_t step;
    double epoch;  // 1.5: half of the second one is done
    double train_loss;
    double learning_rate;
    double samples_per_second;
  };
  void write(const Row& row);
  // The row at the end of an epoch; redraws the curves.
  void write(const Row& row, const Score& score);

  // The best of the scores that were kept of steps before; `samples` is 0 where there is none.
  Score best_so_far() const;

 private:
  void draw() const;

  std::filesystem::path folder_;
  std::string title_;
  std::unique_ptr<obs::MetricsWriter> metrics_;
};

// Whether `a` is the better score.
bool is_better(const Score& a, const Score& b);

}  // namespace lockstep::train
