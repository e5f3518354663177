// Count, mean and squared distances of channels, as ranks join them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lockstep/comm/communicator.h"

namespace lockstep::parallel {

// Of some samples: how many, and for each channel their mean and the sum of the squared distances
// from it.
struct Moments {
  double count = 0;
  std::vector<double> mean;
  std::vector<double> squares;

  explicit Moments(std::int64_t channels)
      : mean(static_cast<std::size_t>(channels)), squares(static_cast<std::size_t>(channels)) {}
  // Chan, Golub, LeVeque: "Updating formulae and a pairwise algorithm for computing sample
  // variances", 1979.
  void join(const Moments& other);
};

// The moments of all ranks' samples, joined along the summation tree over the ranks. Collective.
Moments joined(comm::Communicator& ranks, const Moments& mine);

}  // namespace lockstep::parallel
