// Streams and events of one device.
#pragma once

#include <mutex>
#include <vector>

#include "kernels/cuda/device_context.h"
#include "lockstep/core/stream.h"

namespace lockstep::kernels::cuda {

// Events for reuse: making one costs a call of the driver.
class EventPool {
 public:
  explicit EventPool(const DeviceContext& device) : device_(device) {}
  EventPool(const EventPool&) = delete;
  EventPool& operator=(const EventPool&) = delete;
  ~EventPool();

  EventHandle take();
  void give_back(EventHandle event) noexcept;

 private:
  const DeviceContext& device_;
  std::mutex mutex_;
  std::vector<EventHandle> free_;
};

class CudaQueue final : public core::Queue {
 public:
  CudaQueue(const DeviceContext& device, EventPool& events);
  CudaQueue(const CudaQueue&) = delete;
  CudaQueue& operator=(const CudaQueue&) = delete;
  ~CudaQueue() override;

  StreamHandle handle() const { return handle_; }
  void wait() override;
  core::Event record() override;
  void wait_for(const core::Event& event) override;
  void copy(void* to, const void* from, std::size_t bytes) override;

 private:
  const DeviceContext& device_;
  EventPool& events_;
  StreamHandle handle_ = nullptr;
};

// The CUDA stream behind `stream`, which is on a CUDA device.
inline StreamHandle handle_of(const core::Stream& stream) {
  return static_cast<CudaQueue*>(stream.queue())->handle();
}

}  // namespace lockstep::kernels::cuda
