// Records the kernel calls of a thread, so that they can run again without what led to them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "lockstep/core/storage.h"
#include "lockstep/core/view.h"

namespace lockstep::kernels {

class Backend;

// A flat list of kernel calls. Memory that only the recorded calls used lies in one planned block;
// other memory is found through its storage, and so may move between replays.
class Recording {
 public:
  struct State;

  explicit Recording(std::unique_ptr<State> state);
  ~Recording();

  // Whether these inputs have the recorded shapes, strides and dtypes, and all that the calls
  // took for granted still holds.
  bool fits(std::span<const View> inputs) const;
  // Runs the calls on the calling thread. Random calls take this thread's next keys.
  void replay(std::span<const View> inputs);
  // Lets the calls write to new memory wherever they wrote to `storage`, which this returns.
  Shared<core::Storage> renewed(const Shared<core::Storage>& storage);

  int calls() const;

 private:
  std::unique_ptr<State> state_;
};

// While it lives, this thread's kernel calls run and are noted. One at a time on a thread.
class Recorder {
 public:
  // `inputs`: what the calls read anew at each replay, from wherever it lies then.
  explicit Recorder(std::span<const View> inputs);
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;
  ~Recorder();

  std::unique_ptr<Recording> finish();

  Backend& backend_over(Backend& real);
  // Kernels are about to be given an address within it.
  void note(const Shared<core::Storage>& storage);
  // Its version grows here.
  void note_mutation(const Shared<core::Storage>& storage);
  // The host wrote its elements: they stay as they are.
  void keep(const Shared<core::Storage>& storage);
  // Something that the host does at this place, in every replay.
  void repeat(std::function<void()> action);
  void repeat(const View& operand, std::function<void(const View&)> action);
  // What must hold before a replay; one condition for each subject, the first.
  void require(const void* subject, std::function<bool()> condition);

 private:
  friend class Unrecorded;
  class RecordingBackend;
  struct State;
  std::unique_ptr<State> state_;
};

// While it lives, this thread's calls run without being noted.
class Unrecorded {
 public:
  Unrecorded();
  Unrecorded(const Unrecorded&) = delete;
  Unrecorded& operator=(const Unrecorded&) = delete;
  ~Unrecorded();

 private:
  Recorder* paused_;
};

// Of all threads: what keeps the question below cheap where nothing is recorded.
inline std::atomic<int> recorders{0};
Recorder* recorder_of_thread();
// This thread's recorder, or null.
inline Recorder* recorder() {
  return recorders.load(std::memory_order_relaxed) == 0 ? nullptr : recorder_of_thread();
}

// UsageError where this thread is being recorded: `call` cannot be replayed, `because` ...
void check_unrecorded(const std::string& call, const char* because);

}  // namespace lockstep::kernels
