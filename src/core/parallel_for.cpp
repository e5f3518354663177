#include "lockstep/core/parallel_for.h"

#include <atomic>
#include <string>

#include "lockstep/base/config.h"
#include "lockstep/base/error.h"

namespace lockstep::core {
namespace {

constexpr int most_threads = 1024;

std::atomic<int>& count() {
  static std::atomic<int> value{
      static_cast<int>(integer_setting("LOCKSTEP_THREADS", 1, 1, most_threads))};
  return value;
}

}  // namespace

int threads() { return count().load(std::memory_order_relaxed); }

void use_threads(int threads) {
  check<UsageError>(threads >= 1 && threads <= most_threads, [&] {
    return Complaint{"use_threads: " + std::to_string(threads) + " threads",
                     "give a number from 1 to " + std::to_string(most_threads)};
  });
  count().store(threads, std::memory_order_relaxed);
}

}  // namespace lockstep::core
