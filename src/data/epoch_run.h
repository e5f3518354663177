// One pass over an epoch: batches go from a helper thread through a bounded queue to the reader.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "lockstep/data/loader.h"
#include "src/data/loader_impl.h"

namespace lockstep::data {

struct Epoch::Run {
  explicit Run(std::shared_ptr<Loader::Impl> loader);
  static std::shared_ptr<Run> begun(std::shared_ptr<Loader::Impl> loader);
  // No batch is prepared any more. A helper thread that the dataset keeps beyond the deadline is
  // left behind with its share of this, and the loader reads no other epoch.
  void stop();

  // The next batch, or nothing after the last one.
  void advance();

  Slot* current = nullptr;

 private:
  bool is_over(std::int64_t position) const;
  void assemble(Slot& slot);
  Slot& next_ready();
  void give_back(Slot& slot);
  // The helper thread.
  void work();
  void assemble_all();

  std::shared_ptr<Loader::Impl> loader_;
  std::int64_t epoch_;
  std::int64_t assembled_;  // where the next batch to be prepared begins; the helper's alone

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Slot*> free_;
  std::deque<Slot*> ready_;
  std::exception_ptr failure_;
  bool is_stopping_ = false;
  bool has_ended_ = false;         // the helper thread
  std::chrono::seconds patience_;  // with it; none after a deadline
  std::thread helper_;
};

}  // namespace lockstep::data
