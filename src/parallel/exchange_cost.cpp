#include "src/parallel/exchange_cost.h"

#include <algorithm>
#include <chrono>

#include "src/parallel/lanes.h"

namespace lockstep::parallel {
namespace {

constexpr std::int64_t small_count = 16;
constexpr std::int64_t large_count = std::int64_t{256} << 10;
constexpr int repeats = 4;

// The best of a few: what the link takes when nothing else is in its way.
double seconds_to_reduce(comm::Communicator& ranks, const core::Buffer& buffer) {
  using Clock = std::chrono::steady_clock;
  double best = 1e9;
  for (int i = 0; i < repeats; ++i) {
    const auto begin = Clock::now();
    ranks.all_reduce(buffer, buffer, comm::Reduce::sum, core::current_stream({})).wait();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return best;
}

}  // namespace

ExchangeCost measured_cost(comm::Communicator& ranks) {
  const core::Memory memory = new_lane(ranks, {}, large_count * sizeof(float));
  const core::Buffer large{memory->data(), large_count, DType::f32, {}, memory};
  double seconds[] = {seconds_to_reduce(ranks, cut(large, {0, small_count})),
                      seconds_to_reduce(ranks, large)};
  ranks.broadcast(core::Buffer{seconds, 2, DType::f64, {}, {}}, 0, core::current_stream({})).wait();
  const double transfer = std::max(1e-9, seconds[1] - seconds[0]);
  return {.latency = seconds[0], .bandwidth = static_cast<double>(large.bytes()) / transfer};
}

}  // namespace lockstep::parallel
