#include "kernels/cuda/stream.h"

namespace lockstep::kernels::cuda {
namespace {

class CudaPoint final : public core::Point {
 public:
  CudaPoint(const DeviceContext& device, EventPool& events, EventHandle handle)
      : device_(device), events_(events), handle_(handle) {}

  EventHandle handle() const { return handle_; }
  bool is_passed() override {
    const Status status = device_.runtime.query(handle_);
    if (status == status::not_ready) return false;
    device_.check(status, "cudaEventQuery");
    return true;
  }
  void wait() override {
    device_.check(device_.runtime.wait_for_event(handle_), "cudaEventSynchronize");
  }
  // An event may be recorded anew while others wait for its earlier record: they wait for what they
  // saw when they were queued.
  void recycle() noexcept override {
    events_.give_back(handle_);
    delete this;
  }

 private:
  const DeviceContext& device_;
  EventPool& events_;
  EventHandle handle_;
};

}  // namespace

EventPool::~EventPool() {
  for (EventHandle event : free_) device_.runtime.destroy_event(event);
}

EventHandle EventPool::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      EventHandle event = free_.back();
      free_.pop_back();
      return event;
    }
  }
  device_.activate();
  EventHandle event = nullptr;
  device_.check(device_.runtime.create_event(&event), "cudaEventCreateWithFlags");
  return event;
}

void EventPool::give_back(EventHandle event) noexcept {
  const std::lock_guard lock(mutex_);
  free_.push_back(event);
}

CudaQueue::CudaQueue(const DeviceContext& device, EventPool& events)
    : device_(device), events_(events) {
  device_.activate();
  device_.check(device_.runtime.create_stream(&handle_), "cudaStreamCreateWithFlags");
}

CudaQueue::~CudaQueue() { device_.runtime.destroy_stream(handle_); }

void CudaQueue::wait() {
  device_.check(device_.runtime.wait_for_stream(handle_), "cudaStreamSynchronize");
}

core::Event CudaQueue::record() {
  EventHandle event = events_.take();
  const Status status = device_.runtime.record(event, handle_);
  if (status != status::success) events_.give_back(event);
  device_.check(status, "cudaEventRecord");
  return core::Event::adopt(new CudaPoint(device_, events_, event));
}

void CudaQueue::wait_for(const core::Event& event) {
  if (!event) return;
  const EventHandle point = static_cast<CudaPoint*>(event.get())->handle();
  device_.check(device_.runtime.stream_waits(handle_, point), "cudaStreamWaitEvent");
}

// Needs no current device: a copy may be issued to the stream of any.
void CudaQueue::copy(void* to, const void* from, std::size_t bytes) {
  device_.check(device_.runtime.copy(to, from, bytes, handle_), "cudaMemcpyAsync");
}

}  // namespace lockstep::kernels::cuda
