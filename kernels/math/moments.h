// Count, mean and squared distances of the channels of some samples, and how two of them are
// joined.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lockstep::kernels::math {

// Of each channel the mean, and the sum of the squared distances from it.
struct Moments {
  double count = 0;
  std::vector<double> mean, squares;

  explicit Moments(std::int64_t channels)
      : mean(static_cast<std::size_t>(channels)), squares(static_cast<std::size_t>(channels)) {}

  // Chan, Golub, LeVeque: "Updating formulae and a pairwise algorithm for computing sample
  // variances", 1979.
  void join(const Moments& other) {
    if (other.count == 0) return;
    const double total = count + other.count;
    const double share = other.count / total;
    for (std::size_t c = 0; c < mean.size(); ++c) {
      const double distance = other.mean[c] - mean[c];
      mean[c] += distance * share;
      squares[c] += other.squares[c] + distance * distance * count * share;
    }
    count = total;
  }
};

}  // namespace lockstep::kernels::math
