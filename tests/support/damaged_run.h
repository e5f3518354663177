// Training runs in which a bit of one rank's memory flips.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lockstep/optim/optimizer.h"
#include "lockstep/parallel/data_parallel.h"
#include "tests/support/training_run.h"

namespace lockstep::tests {

void flip_bit(const Tensor& x, std::int64_t bit);

// A bit of one element, on one rank: before a step, or in it, once its gradients are there.
struct Flip {
  int rank = 0;
  int step = 1;
  std::string tensor;
  double place = 0.5;  // of the element: 0 the first, 1 the last
  bool is_within_step = false;
};

struct DamagedRun {
  int steps = 12;
  std::vector<Flip> flips = {};
  DataParallelOptions options = {
      .seed = 5, .bucket_bytes = 600, .tail = Tail::plain, .check_every = 3};
};

// The model's state and, with the prefix "optimizer ", the optimizer's where it is complete.
State everything(nn::Module& model, const optim::Optimizer& optimizer);
// Trains the CNN with batch normalisation and momentum; the fingerprint of everything.
std::uint64_t fingerprint_after(World& world, const DamagedRun& run);

}  // namespace lockstep::tests
