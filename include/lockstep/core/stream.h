// A queue of work on a device. A CPU stream is the calling thread: work is done when the call
// returns.
#pragma once

#include "lockstep/core/device.h"

namespace lockstep::core {

class Stream {
 public:
  explicit Stream(Device device = {}) : device_(device) {}

  Device device() const { return device_; }
  // Returns when all queued work is done.
  void wait() {}

 private:
  Device device_;
};

// The stream that this thread's operations on `device` go to. DeviceError where its backend is
// absent.
Stream& current_stream(Device device);

}  // namespace lockstep::core
