#include "src/parallel/moments.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "lockstep/core/shard.h"
#include "lockstep/core/stream.h"

namespace lockstep::parallel {
namespace {

std::vector<double> packed(const Moments& moments) {
  std::vector<double> values{moments.count};
  values.insert(values.end(), moments.mean.begin(), moments.mean.end());
  values.insert(values.end(), moments.squares.begin(), moments.squares.end());
  return values;
}

Moments unpacked(const double* values, std::size_t channels) {
  Moments moments(static_cast<std::int64_t>(channels));
  moments.count = values[0];
  std::copy_n(values + 1, channels, moments.mean.begin());
  std::copy_n(values + 1 + channels, channels, moments.squares.begin());
  return moments;
}

}  // namespace

Moments joined(comm::Communicator& ranks, const Moments& mine) {
  const int size = ranks.size();
  const std::vector<double> values = packed(mine);
  std::vector<double> all(values.size() * static_cast<std::size_t>(size));
  const core::ConstBuffer in(values.data(), static_cast<std::int64_t>(values.size()), DType::f64);
  ranks
      .all_gather(in, {all.data(), static_cast<std::int64_t>(all.size()), DType::f64, Device{}, {}},
                  core::current_stream({}))
      .wait();
  std::vector<Moments> stack;
  const double* next = all.data();
  for (const core::FoldStep step : core::fold_program(core::forest(size, size), size)) {
    if (step == core::FoldStep::push) {
      stack.push_back(unpacked(next, mine.mean.size()));
      next += values.size();
    } else {
      const Moments right = std::move(stack.back());
      stack.pop_back();
      stack.back().join(right);
    }
  }
  return std::move(stack.back());
}

}  // namespace lockstep::parallel
