// A queue of work on a device, and points in it. A CPU stream is the calling thread: work is done
// when the call returns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lockstep/base/shared.h"
#include "lockstep/core/device.h"

namespace lockstep::core {

// A point in a stream's work, as its device's plug-in keeps it.
class Point : public Counted {
 public:
  virtual ~Point() = default;
  virtual bool is_passed() = 0;  // asks the device, never blocks
  virtual void wait() = 0;       // blocks the host
  virtual void recycle() noexcept = 0;
  static void release(Point* point) noexcept { point->recycle(); }
};
// A handle on a point; an empty one has passed.
using Event = Shared<Point>;

// What a device's plug-in does behind its streams.
class Queue {
 public:
  virtual ~Queue() = default;
  virtual void wait() = 0;
  virtual Event record() = 0;
  virtual void wait_for(const Event& event) = 0;
  virtual void copy(void* to, const void* from, std::size_t bytes) = 0;
};

class Stream {
 public:
  explicit Stream(Device device = {}, Queue* queue = nullptr) : device_(device), queue_(queue) {}

  Device device() const { return device_; }
  // Null on the CPU.
  Queue* queue() const { return queue_; }
  // The host waits until all queued work is done.
  void wait() {
    if (queue_ != nullptr) queue_->wait();
  }
  // The point behind all that is queued now.
  Event record() { return queue_ != nullptr ? queue_->record() : Event(); }
  // What is queued from now on starts when `event` has passed; the host waits on the CPU only.
  void wait_for(const Event& event) {
    if (!event) return;
    queue_ != nullptr ? queue_->wait_for(event) : event->wait();
  }
  // Queues a copy of bytes on the device, between devices, or between the device and page-locked
  // memory of the host.
  void copy(void* to, const void* from, std::size_t bytes) {
    queue_ != nullptr ? queue_->copy(to, from, bytes)
                      : static_cast<void>(std::memcpy(to, from, bytes));
  }

 private:
  Device device_;
  Queue* queue_;
};

// What a stream is for: kernels, transfers between host and device, collectives.
enum class StreamRole : std::uint8_t { compute, copy, communication };

// The stream of `device` for `role`; one for all threads of the process, on the CPU the calling
// thread. DeviceError where the device's backend is absent.
Stream& stream_of(Device device, StreamRole role);
// The stream that operations on `device` go to.
Stream& current_stream(Device device);

}  // namespace lockstep::core
