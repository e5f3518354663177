// A plug-in that behaves as FAKE_KIND says: good, stale (another ABI number), unfit (no object),
// empty (no entry).
#include "lockstep/core/plugin.h"

namespace {

[[maybe_unused]] const lockstep::core::Host* kept = nullptr;
[[maybe_unused]] void fail() { kept->fail("the fake cannot do it", "take a real one"); }

}  // namespace

#if FAKE_KIND != 3
extern "C" __attribute__((visibility("default"))) lockstep::core::PluginAnswer lockstep_plugin(
    const lockstep::core::Host* host) {
  kept = host;
  const bool is_alone = host->threads() == 1;
  switch (FAKE_KIND) {
    case 1:
      return {0x9999, reinterpret_cast<void*>(&fail), "stale"};
    case 2:
      return {0x1234, nullptr, "the driver is too old"};
    default:
      return {0x1234, reinterpret_cast<void*>(&fail), is_alone ? "1 thread" : "threads"};
  }
}
#endif
