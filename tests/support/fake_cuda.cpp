#include "tests/support/fake_cuda.h"

#include <cstdlib>
#include <cstring>
#include <numeric>

#include "kernels/host.h"
#include "lockstep/base/error.h"

namespace lockstep::testing {

using namespace kernels::cuda;

namespace {

std::map<std::string, std::string>& variables() {
  static std::map<std::string, std::string> set;
  return set;
}

}  // namespace

FakeCuda::FakeCuda() {
  DeviceProperties first;
  std::strcpy(first.name, "Fake GPU");
  first.major = 9;
  first.multiprocessors = 4;
  first.memory = device_memory;
  devices.push_back(first);
  current_ = this;
  bind();
  // What the library lends to the plug-in.
  static const core::Host host{.fail =
                                   [](const char* what, const char* fix) {
                                     throw DeviceError({what, fix});
                                   },
                               .refuse =
                                   [](const char* what, const char* fix) {
                                     throw UsageError({what, fix});
                                   },
                               .setting = [](const char* name) -> const char* {
                                 const auto found = variables().find(name);
                                 return found == variables().end() ? nullptr
                                                                   : found->second.c_str();
                               }};
  kernels::host = &host;
}

FakeCuda::~FakeCuda() {
  for (const auto& [data, bytes] : blocks_) std::free(data);
  current_ = nullptr;
  variables().clear();
}

void FakeCuda::set(const std::string& name, const std::string& value) { variables()[name] = value; }

std::size_t FakeCuda::allocated() const {
  return std::accumulate(blocks_.begin(), blocks_.end(), std::size_t{0},
                         [](std::size_t sum, const auto& block) { return sum + block.second; });
}

void FakeCuda::queue(Stream& stream, std::function<void()> work) {
  stream.entries.emplace_back(++stream.queued, std::move(work));
  if (current_->is_prompt) advance(stream, stream.queued);
}

void FakeCuda::advance(Stream& stream, std::uint64_t position) {
  while (!stream.entries.empty() && stream.entries.front().first <= position) {
    const auto work = std::move(stream.entries.front().second);
    stream.entries.pop_front();
    work();
  }
  stream.done = std::max(stream.done, position);
}

void FakeCuda::finish(StreamHandle stream) { advance(*of(stream), of(stream)->queued); }
void FakeCuda::finish_all() {
  for (const auto& stream : streams_) advance(*stream, stream->queued);
}

// Counts the call, and returns the failure that a test asked for.
Status FakeCuda::called(const char* name) {
  ++current_->calls[name];
  const auto planned = current_->failures.find(name);
  if (planned == current_->failures.end()) return status::success;
  const Status status = planned->second;
  current_->failures.erase(planned);
  return status;
}

void FakeCuda::bind() {
  table_.driver_version = [](int* version) -> Status {
    *version = current_->driver;
    return status::success;
  };
  table_.runtime_version = [](int* version) -> Status {
    *version = current_->needed;
    return status::success;
  };
  table_.device_count = [](int* count) -> Status {
    *count = static_cast<int>(current_->devices.size());
    return called("cudaGetDeviceCount");
  };
  table_.properties = [](DeviceProperties* of, int device) -> Status {
    *of = current_->devices.at(static_cast<std::size_t>(device));
    return called("cudaGetDeviceProperties");
  };
  table_.set_device = [](int device) -> Status {
    current_->current_device = device;
    return called("cudaSetDevice");
  };
  table_.memory_info = [](std::size_t* free, std::size_t* all) -> Status {
    *all = current_->device_memory;
    *free = *all - current_->allocated();
    return called("cudaMemGetInfo");
  };
  table_.allocate = [](void** data, std::size_t bytes) -> Status {
    if (const Status planned = called("cudaMalloc")) return planned;
    if (current_->allocated() + bytes > current_->device_memory) return status::out_of_memory;
    *data = std::aligned_alloc(512, bytes);
    current_->blocks_[*data] = bytes;
    return status::success;
  };
  // Waits for the whole device, as the real one does.
  table_.release = [](void* data) -> Status {
    current_->finish_all();
    current_->blocks_.erase(data);
    std::free(data);
    return called("cudaFree");
  };
  table_.allocate_pinned = table_.allocate;
  table_.release_pinned = table_.release;
  table_.create_stream = [](StreamHandle* stream) -> Status {
    current_->streams_.push_back(std::make_unique<Stream>());
    *stream = reinterpret_cast<StreamHandle>(current_->streams_.back().get());
    return called("cudaStreamCreateWithFlags");
  };
  table_.destroy_stream = [](StreamHandle) -> Status { return called("cudaStreamDestroy"); };
  table_.wait_for_stream = [](StreamHandle stream) -> Status {
    current_->finish(stream);
    return called("cudaStreamSynchronize");
  };
  // For what the event was when the wait was queued.
  table_.stream_waits = [](StreamHandle stream, EventHandle event) -> Status {
    queue(*of(stream), [e = *of(event)] { advance(*e.stream, e.position); });
    return called("cudaStreamWaitEvent");
  };
  table_.create_event = [](EventHandle* event) -> Status {
    if (const Status planned = called("cudaEventCreateWithFlags")) return planned;
    current_->events_.push_back(std::make_unique<Event>());
    *event = reinterpret_cast<EventHandle>(current_->events_.back().get());
    return status::success;
  };
  table_.destroy_event = [](EventHandle) -> Status { return called("cudaEventDestroy"); };
  table_.record = [](EventHandle event, StreamHandle stream) -> Status {
    queue(*of(stream), [] {});
    *of(event) = {of(stream), of(stream)->queued};
    return called("cudaEventRecord");
  };
  table_.query = [](EventHandle event) -> Status {
    if (const Status planned = called("cudaEventQuery")) return planned;
    const Event& e = *of(event);
    return e.stream->done >= e.position ? status::success : status::not_ready;
  };
  table_.wait_for_event = [](EventHandle event) -> Status {
    Event& e = *of(event);
    advance(*e.stream, e.position);
    return called("cudaEventSynchronize");
  };
  table_.copy = [](void* to, const void* from, std::size_t bytes, StreamHandle stream) -> Status {
    queue(*of(stream), [=] { std::memcpy(to, from, bytes); });
    return called("cudaMemcpyAsync");
  };
  table_.last_error = []() -> Status { return called("cudaGetLastError"); };
  table_.name = [](Status status) {
    return status == 700 ? "cudaErrorIllegalAddress" : "cudaErrorX";
  };
  table_.meaning = [](Status status) {
    return status == 700 ? "an illegal memory access was encountered" : "something is wrong";
  };
}

}  // namespace lockstep::testing
