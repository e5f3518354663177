#include "benchmarks/collective_timing.h"

#include <algorithm>
#include <functional>

#include "benchmarks/combine.h"
#include "lockstep/core/stream.h"

namespace lockstep::bench {
namespace {

constexpr std::int64_t generations =
    3;  // while slots alternate: what is old differs from what is new
constexpr std::size_t together_bytes = std::size_t{256} << 10;
constexpr std::int64_t most_together = 16;
constexpr std::size_t repeat_bytes = std::size_t{64} << 20;

// Calls that are timed as one.
std::int64_t calls_together(std::size_t bytes) {
  if (bytes == 0) return most_together;
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(together_bytes / bytes), 1,
                                  most_together);
}
std::size_t padded(std::size_t bytes) {
  return (bytes + core::alignment - 1) / core::alignment * core::alignment;
}

// Two sides in each slot. Sizes that are timed together need no more than `together_bytes` for each
// side of all calls.
std::size_t region_bytes(std::size_t max_bytes) {
  return 4 * std::max(together_bytes, padded(max_bytes));
}

std::int64_t repeats_of(std::int64_t asked, std::size_t bytes) {
  if (asked > 0) return asked;
  if (bytes == 0) return 200;
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(repeat_bytes / bytes), 20, 200);
}

core::Memory memory_of(comm::Communicator& ranks, MemoryKind kind, std::size_t bytes) {
  return kind == MemoryKind::arena ? ranks.allocate(bytes) : core::allocator({}).allocate(bytes);
}

}  // namespace

struct CollectiveTiming::Contender {
  std::function<void(std::byte* memory)> call;
  std::byte* memory = nullptr;
  bool is_checked = false;
  std::vector<double> seconds = {};
};

CollectiveTiming::CollectiveTiming(comm::Communicator& ranks,
                                   const CollectiveTimingOptions& options)
    : ranks_(ranks),
      options_(options),
      bytes_(region_bytes(options.max_bytes)),
      memory_(memory_of(ranks, options.memory, bytes_)),
      mpi_memory_(memory_of(ranks, options.memory, bytes_)) {
  if (options.memory == MemoryKind::arena && ranks.local_size() == ranks.size())
    peers_ = std::make_unique<PeerMemory>(ranks, bytes_);
}

std::vector<CollectiveTiming::Contender> CollectiveTiming::contenders(const CollectiveCase& on,
                                                                      Placement placement) {
  const std::size_t apart = padded(on.bytes());
  auto* const own = static_cast<std::byte*>(memory_->data());
  std::vector<Contender> all;
  all.push_back({[&, apart, placement](std::byte* memory) {
                   call(on, operands_in(on, placement, memory, apart), ranks_);
                 },
                 own, true});
  const auto limited_by = [&](Stores stores) {
    if (peers_ != nullptr) {
      std::byte* const mine = peers_->of(on.rank);
      all.push_back({[=, this, &on](std::byte* memory) {
                       run_limit(on, placement, *peers_, static_cast<std::size_t>(memory - mine),
                                 apart, stores);
                     },
                     mine});
    } else if (ranks_.local_size() == ranks_.size()) {
      all.push_back(
          {[=, &on](std::byte* memory) { run_own_copy(on, memory, memory + apart, stores); }, own});
    }
  };
  limited_by(Stores::plain);
  limited_by(Stores::streaming);
  if (mpi_.serves(on)) {
    all.push_back({[&, apart, placement](std::byte* memory) {
                     mpi_.call(on, placement, operands_in(on, placement, memory, apart));
                   },
                   static_cast<std::byte*>(mpi_memory_->data())});
  }
  return all;
}

// One timed stretch of calls for each contender; another begins in each repeat.
void CollectiveTiming::repeat(const CollectiveCase& on, Placement placement, std::int64_t index,
                              std::vector<Contender>& all) {
  const std::int64_t together = calls_together(on.bytes());
  const CollectiveValues values(on, static_cast<int>(index % generations));
  const std::size_t slot_bytes = 2 * padded(on.bytes());
  for (std::size_t turn = 0; turn < all.size(); ++turn) {
    Contender& contender = all[(static_cast<std::size_t>(index) + turn) % all.size()];
    const auto slot = [&](std::int64_t k) {  // other ones than in the repeat before
      const std::int64_t number = (index % 2) * together + k;
      return contender.memory + static_cast<std::size_t>(number) * slot_bytes;
    };
    const auto operands = [&](std::int64_t k) {
      return operands_in(on, placement, slot(k), padded(on.bytes()));
    };
    for (std::int64_t k = 0; k < together; ++k) values.write(operands(k).in);
    ranks_.barrier();
    const double begin = now();
    for (std::int64_t k = 0; k < together; ++k) contender.call(slot(k));
    contender.seconds.push_back((now() - begin) / static_cast<double>(together));
    // Where ranks share cores, what comes next takes none from a rank that is not through yet.
    ranks_.barrier();
    if (!contender.is_checked) continue;
    for (std::int64_t k = 0; k < together; ++k) wrong_ += values.wrong(operands(k).out);
  }
}

CollectiveTimes CollectiveTiming::measure(const CollectiveCase& on, Placement placement) {
  wrong_ = 0;
  std::vector<Contender> all = contenders(on, placement);
  const std::int64_t repeats = repeats_of(options_.repeats, on.bytes());
  for (std::int64_t i = 0; i < options_.warmup + repeats; ++i) {
    repeat(on, placement, i, all);
    if (i >= options_.warmup) continue;
    for (Contender& contender : all) contender.seconds.clear();
  }
  std::vector<Timing> timings;
  for (Contender& contender : all) {
    combine(ranks_, contender.seconds, comm::Reduce::max);
    timings.push_back(timing_of(contender.seconds));
  }
  CollectiveTimes times{.ours = timings[0]};
  const bool has_limit = ranks_.local_size() == ranks_.size();
  if (has_limit) {
    times.limit = std::min(timings[1], timings[2],
                           [](const Timing& a, const Timing& b) { return a.median < b.median; });
  }
  if (timings.size() == (has_limit ? 4U : 2U)) times.mpi = timings.back();
  times.wrong =
      static_cast<std::int64_t>(combine(ranks_, static_cast<double>(wrong_), comm::Reduce::sum));
  return times;
}

double signature_check_seconds(comm::Communicator& ranks) {
  constexpr int pairs = 41;
  constexpr int calls = 100;
  constexpr std::uint64_t plan = 1;
  float value = 0;
  const core::ConstBuffer node{&value, 1, DType::f32};
  const core::Buffer out{&value, 1, DType::f32, {}, {}};
  const auto seconds = [&](std::uint64_t of_plan) {
    const comm::Partials in{{&node, 1}, ranks.size(), of_plan};
    const auto call = [&] {
      ranks.all_reduce(in, out, comm::Reduce::sum, core::current_stream({})).wait();
    };
    if (of_plan != 0) ranks.begin_plan(of_plan);
    call();
    ranks.barrier();
    const double begin = now();
    for (int i = 0; i < calls; ++i) call();
    return (now() - begin) / calls;
  };
  std::vector<double> checked;
  std::vector<double> unchecked;
  for (int pair = 0; pair < pairs; ++pair) {
    checked.push_back(seconds(0));
    unchecked.push_back(seconds(plan));
  }
  std::vector<double> differences;
  for (int pair = 0; pair < pairs; ++pair) {
    const auto at = static_cast<std::size_t>(pair);
    differences.push_back(checked[at] - unchecked[at]);
  }
  combine(ranks, differences, comm::Reduce::max);
  return std::max(0.0, quantile(differences, 0.5));
}

}  // namespace lockstep::bench
