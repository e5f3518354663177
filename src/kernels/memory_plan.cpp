#include "src/kernels/memory_plan.h"

#include <algorithm>
#include <numeric>

#include "lockstep/core/allocator.h"

namespace lockstep::kernels {
namespace {

std::size_t padded(std::size_t bytes) {
  return (bytes + core::alignment - 1) / core::alignment * core::alignment;
}

bool overlap(const Lifetime& a, const Lifetime& b) {
  return a.first <= b.last && b.first <= a.last;
}

struct Placed {
  std::size_t offset;
  std::size_t end;
  const Lifetime* lifetime;
};

// The lowest offset whose bytes nobody uses at the same time; `placed` ascends.
std::size_t lowest_offset(const std::vector<Placed>& placed, const Lifetime& lifetime) {
  std::size_t offset = 0;
  for (const Placed& other : placed) {
    if (!overlap(*other.lifetime, lifetime)) continue;
    if (offset + padded(lifetime.bytes) <= other.offset) break;
    offset = std::max(offset, other.end);
  }
  return offset;
}

}  // namespace

MemoryPlan planned(const std::vector<Lifetime>& lifetimes) {
  std::vector<std::size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return lifetimes[a].bytes > lifetimes[b].bytes;
  });
  MemoryPlan plan{std::vector<std::size_t>(lifetimes.size()), 0};
  std::vector<Placed> placed;
  for (const std::size_t i : order) {
    const std::size_t offset = lowest_offset(placed, lifetimes[i]);
    const Placed here{offset, offset + padded(lifetimes[i].bytes), &lifetimes[i]};
    const auto after =
        std::upper_bound(placed.begin(), placed.end(), here,
                         [](const Placed& a, const Placed& b) { return a.offset < b.offset; });
    placed.insert(after, here);
    plan.offsets[i] = offset;
    plan.bytes = std::max(plan.bytes, here.end);
  }
  return plan;
}

}  // namespace lockstep::kernels
