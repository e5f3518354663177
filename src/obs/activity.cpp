#include "lockstep/obs/activity.h"

#include <atomic>

#include "lockstep/obs/trace.h"

namespace lockstep::obs {
namespace {

std::atomic<const char*> name{""};
std::atomic<std::int64_t> since{0};

bool is_teller() {
  static std::atomic_flag is_taken;
  thread_local const bool is_first = !is_taken.test_and_set();
  return is_first;
}

}  // namespace

Activity::Activity(const char* its_name) noexcept {
  if (!is_teller()) return;
  outer_ = name.load(std::memory_order_relaxed);
  outer_since_ = since.load(std::memory_order_relaxed);
  since.store(trace_now(), std::memory_order_relaxed);
  name.store(its_name, std::memory_order_relaxed);
}

Activity::~Activity() {
  if (outer_ == nullptr) return;
  since.store(outer_since_, std::memory_order_relaxed);
  name.store(outer_, std::memory_order_relaxed);
}

CurrentActivity current_activity() {
  return {name.load(std::memory_order_relaxed), since.load(std::memory_order_relaxed)};
}

}  // namespace lockstep::obs
