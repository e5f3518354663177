// A plug-in that behaves as FAKE_KIND says: good, stale (another ABI number), unfit (no object),
// empty (no entry), platform (two devices without anything on them).
#include "lockstep/core/abi.h"
#include "lockstep/core/platform.h"
#include "lockstep/core/plugin.h"

namespace {

[[maybe_unused]] const lockstep::core::Host* kept = nullptr;
[[maybe_unused]] void fail() { kept->fail("the fake cannot do it", "take a real one"); }

class TwoDevices final : public lockstep::core::Platform {
 public:
  int devices() const override { return 2; }
  const char* description() const override { return "two devices"; }
  std::int64_t identity(int device) override { return device; }
  lockstep::core::Allocator& allocator(int) override {
    kept->fail("no memory", "buy some");
    throw;
  }
  lockstep::core::Allocator& pinned_memory() override { return allocator(0); }
  lockstep::core::Stream& stream(int device, lockstep::core::StreamRole role) override {
    return streams_[device][static_cast<int>(role)];
  }
  lockstep::kernels::Backend& backend(int) override {
    kept->fail("no kernels", "write some");
    throw;
  }

 private:
  lockstep::core::Stream streams_[2][3];
};

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
    case 4: {
      static TwoDevices platform;
      return {lockstep::core::abi_number, static_cast<lockstep::core::Platform*>(&platform), ""};
    }
    default:
      return {0x1234, reinterpret_cast<void*>(&fail), is_alone ? "1 thread" : "threads"};
  }
}
#endif
