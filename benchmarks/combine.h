// Figures of all ranks as one.
#pragma once

#include <vector>

#include "lockstep/comm/communicator.h"
#include "lockstep/core/stream.h"

namespace lockstep::bench {

// Element by element over all ranks.
inline void combine(comm::Communicator& ranks, std::vector<double>& values, comm::Reduce how) {
  const core::Buffer all{
      values.data(), static_cast<std::int64_t>(values.size()), DType::f64, {}, {}};
  ranks.all_reduce(all, all, how, core::current_stream({})).wait();
}
inline double combine(comm::Communicator& ranks, double value, comm::Reduce how) {
  std::vector<double> one{value};
  combine(ranks, one, how);
  return one[0];
}

}  // namespace lockstep::bench
