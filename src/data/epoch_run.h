// One pass over an epoch: batches go from a helper thread through a bounded queue to the reader.
#pragma once

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
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;
  ~Run();

  // The next batch, or nothing after the last one.
  void advance();

  Slot* current = nullptr;

 private:
  bool is_over(std::int64_t position) const;
  void assemble(Slot& slot);
  Slot& next_ready();
  void give_back(Slot& slot);
  void work();  // the helper thread

  std::shared_ptr<Loader::Impl> loader_;
  std::int64_t epoch_;
  std::int64_t assembled_;  // where the next batch to be prepared begins; the helper's alone

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Slot*> free_;
  std::deque<Slot*> ready_;
  std::exception_ptr failure_;
  bool is_stopping_ = false;
  std::thread helper_;
};

}  // namespace lockstep::data
