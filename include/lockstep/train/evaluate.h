// How well a model does on a dataset: every sample is seen exactly once, whatever the ranks.
#pragma once

#include <cstdint>
#include <functional>

#include "lockstep/comm/world.h"
#include "lockstep/data/loader.h"
#include "lockstep/nn/module.h"

namespace lockstep::train {

// Sums over the samples of one part.
struct PartScore {
  double loss = 0;
  double correct = 0;
};
using Measure = std::function<PartScore(const data::Batch& part)>;

// Means over all samples; NaN where there are none.
struct Score {
  double loss = 0;
  double accuracy = 0;
  std::int64_t samples = 0;
};

// Runs over one whole epoch of `loader`, which must be cut by world.shards(); parts without samples
// are passed over. The result is the same on every rank, and the same bits on any number of ranks.
Score evaluate(data::Loader& loader, World& world, const Measure& measure);

// A classifier: cross-entropy of model(x) [n, classes] and the share of samples whose largest logit
// is the target's. The model is in evaluation mode meanwhile, and nothing is recorded for backward.
Score evaluate(nn::Module& model, data::Loader& loader, World& world);

}  // namespace lockstep::train
