// Checkpoints that are written while training goes on.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "lockstep/comm/communicator.h"
#include "lockstep/parallel/checkpoint.h"

namespace lockstep::parallel {

// Rank 0 copies the state into memory of its own, which it keeps for the next time, and writes the
// copy on a thread of low priority; the other ranks go on. One save is under way at most. All ranks
// make the same calls, between steps. A failure of the thread is an IoError on every rank at the
// next call, which can then be made again; training's own state is untouched.
class Checkpointer {
 public:
  // `ranks` must live longer.
  explicit Checkpointer(comm::Communicator& ranks, const SaveOptions& options = {});
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;
  // Waits for the thread. A failure that nobody has met yet is logged.
  ~Checkpointer();

  // What save_checkpoint does, but it returns as soon as the state is copied. Waits for the save
  // before, where that is still under way.
  void save(const std::filesystem::path& folder, const Checkpoint& checkpoint);
  // The same state to several folders, from one copy.
  void save_to(const std::vector<std::filesystem::path>& folders, const Checkpoint& checkpoint);
  // Returns when the last save is published. Call it before the program ends, so that a failure is
  // met.
  void wait();
  // True on rank 0 while its thread writes.
  bool is_writing() const;

 private:
  struct Writer;
  std::unique_ptr<Writer> writer_;
};

}  // namespace lockstep::parallel
