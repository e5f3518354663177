// A stand-in for the CUDA runtime: memory is the host's, streams and events advance, and copies
// happen, only when a test says so or somebody waits. One at a time; the table's functions look at
// the one that lives.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cuda/runtime.h"

namespace lockstep::testing {

class FakeCuda {
 public:
  FakeCuda();
  FakeCuda(const FakeCuda&) = delete;
  FakeCuda& operator=(const FakeCuda&) = delete;
  ~FakeCuda();

  const kernels::cuda::Runtime& runtime() const { return table_; }

  // What the machine looks like.
  int driver = 13000, needed = 13000;
  bool is_prompt = false;  // what is queued is done at once
  std::vector<kernels::cuda::DeviceProperties> devices;
  std::size_t device_memory = std::size_t{64} << 20;
  // A variable of the environment, as the library would hand it to the plug-in.
  static void set(const std::string& name, const std::string& value);
  // Returned by the next call of the function of that name, once.
  std::map<std::string, kernels::cuda::Status> failures;

  // What was called: "cudaMalloc", with a count each.
  std::map<std::string, int> calls;
  std::size_t allocated() const;  // bytes that the device holds now
  int current_device = 0;

  // Positions on a stream: of the last entry that was queued, and of the last that is done.
  std::uint64_t queued(kernels::cuda::StreamHandle stream) const { return of(stream)->queued; }
  std::uint64_t done(kernels::cuda::StreamHandle stream) const { return of(stream)->done; }
  // A kernel is queued.
  void work(kernels::cuda::StreamHandle stream) { ++of(stream)->queued; }
  // Time passes on a stream: everything queued up to now is done.
  void finish(kernels::cuda::StreamHandle stream);
  void finish_all();

 private:
  struct Stream {
    std::uint64_t queued = 0;  // entries so far
    std::uint64_t done = 0;
    std::deque<std::pair<std::uint64_t, std::function<void()>>>
        entries;  // what they do, if anything
  };
  struct Event {
    Stream* stream = nullptr;
    std::uint64_t position = 0;
  };
  static kernels::cuda::Status called(const char* name);
  static Stream* of(kernels::cuda::StreamHandle handle) {
    return reinterpret_cast<Stream*>(handle);
  }
  static Event* of(kernels::cuda::EventHandle handle) { return reinterpret_cast<Event*>(handle); }
  static void queue(Stream& stream, std::function<void()> work);
  static void advance(Stream& stream, std::uint64_t position);
  void bind();

  kernels::cuda::Runtime table_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::vector<std::unique_ptr<Event>> events_;
  std::map<void*, std::size_t> blocks_;
  static inline FakeCuda* current_ = nullptr;
};

}  // namespace lockstep::testing
