#include "src/core/staging.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace lockstep::core {
namespace {

// Page-locked memory for one piece at a time.
class Stage {
 public:
  // The memory, once the device is done with the piece before.
  void* ready(Allocator& pinned, std::size_t bytes) {
    if (passed_) passed_->wait();
    if (!memory_) memory_ = pinned.allocate(bytes);
    return memory_->data();
  }
  void note(Event passed) { passed_ = std::move(passed); }
  // The device may still read what was handed over last.
  void leave(Allocator& pinned, Stream& stream) const {
    if (memory_) pinned.used_on(memory_, stream);
  }

 private:
  Memory memory_;
  Event passed_;
};

// What waits to be copied from a stage to its place on the host.
struct Arrival {
  std::byte* to = nullptr;
  const void* from = nullptr;
  std::size_t bytes = 0;
  Event passed;

  void finish() {
    if (bytes == 0) return;
    if (passed) passed->wait();
    std::memcpy(to, from, bytes);
    bytes = 0;
  }
};

}  // namespace

void upload(Platform& platform, int device, void* to, const void* from, std::size_t bytes) {
  Stream& stream = platform.stream(device, StreamRole::compute);
  Allocator& pinned = platform.pinned_memory();
  std::array<Stage, staged_pieces> stages;
  std::size_t turn = 0;
  for (std::size_t done = 0; done < bytes; done += staged_piece) {
    const std::size_t n = std::min(staged_piece, bytes - done);
    Stage& stage = stages[turn++ % stages.size()];
    void* const staged = stage.ready(pinned, std::min(staged_piece, bytes));
    std::memcpy(staged, static_cast<const std::byte*>(from) + done, n);
    stream.copy(static_cast<std::byte*>(to) + done, staged, n);
    stage.note(stream.record());
  }
  for (const Stage& stage : stages) stage.leave(pinned, stream);
}

void download(Platform& platform, int device, void* to, const void* from, std::size_t bytes) {
  Stream& stream = platform.stream(device, StreamRole::compute);
  std::array<Memory, staged_pieces> stages;
  std::array<Arrival, staged_pieces> arrivals;
  std::size_t turn = 0;
  for (std::size_t done = 0; done < bytes; done += staged_piece, ++turn) {
    const std::size_t n = std::min(staged_piece, bytes - done);
    Memory& stage = stages[turn % stages.size()];
    Arrival& arrival = arrivals[turn % arrivals.size()];
    arrival.finish();
    if (!stage) stage = platform.pinned_memory().allocate(std::min(staged_piece, bytes));
    stream.copy(stage->data(), static_cast<const std::byte*>(from) + done, n);
    arrival = {static_cast<std::byte*>(to) + done, stage->data(), n, stream.record()};
  }
  for (std::size_t i = 0; i < arrivals.size(); ++i) arrivals[(turn + i) % arrivals.size()].finish();
}

}  // namespace lockstep::core
