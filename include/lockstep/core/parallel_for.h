// Loops over fixed chunks on the threads of this rank.
#pragma once

#include <algorithm>
#include <cstdint>

#ifdef LOCKSTEP_PLAIN_THREADS
#include <thread>
#include <vector>
#endif

namespace lockstep::core {

// Threads that a rank's kernels use; 1 unless LOCKSTEP_THREADS or use_threads() say more.
int threads();
void use_threads(int count);

// Calls body(begin, end) over [0, count) cut into chunks of `grain` (the last may be shorter), on
// at most `threads` threads. Chunk bounds depend on count and grain alone, never on the number of
// threads, so a reduction that keeps one partial result a chunk gives the same bits on any number
// of threads.
template <class Body>
void parallel_chunks(int threads, std::int64_t count, std::int64_t grain, const Body& body) {
  if (count <= 0) return;
  const std::int64_t chunks = (count + grain - 1) / grain;
  const auto run = [&](std::int64_t chunk) {
    body(chunk * grain, std::min(count, (chunk + 1) * grain));
  };
  if (threads <= 1 || chunks == 1) {
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) run(chunk);
    return;
  }
  [[maybe_unused]] const int team = static_cast<int>(std::min<std::int64_t>(threads, chunks));
#ifdef LOCKSTEP_PLAIN_THREADS
  std::vector<std::jthread> workers;
  for (int t = 0; t < team; ++t) {
    workers.emplace_back([&run, t, team, chunks] {
      for (std::int64_t c = chunks * t / team; c < chunks * (t + 1) / team; ++c) run(c);
    });
  }
#else
#pragma omp parallel for num_threads(team) schedule(static)
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) run(chunk);
#endif
}

template <class Body> void parallel_for(std::int64_t count, std::int64_t grain, const Body& body) {
  parallel_chunks(threads(), count, grain, body);
}

}  // namespace lockstep::core
