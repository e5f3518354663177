// The order in which an epoch visits the samples: a function of (seed, epoch) alone.
#pragma once

#include <cstdint>
#include <vector>

namespace lockstep::data {

struct SamplerOptions {
  std::uint64_t seed = 0;
  bool shuffle = true;
};

// Every index in 0 ... count-1 exactly once, whatever the ranks, shards and batch size.
// Fisher-Yates with words of Philox keyed by the seed and the epoch.
class Sampler {
 public:
  Sampler(std::int64_t count, const SamplerOptions& options) : count_(count), options_(options) {}

  std::int64_t count() const { return count_; }
  // Fills `order` with the epoch's permutation; reuses its memory.
  void order(std::int64_t epoch, std::vector<std::int64_t>& order) const;

 private:
  std::int64_t count_;
  SamplerOptions options_;
};

}  // namespace lockstep::data
