#include "src/data/epoch_run.h"

#include <algorithm>
#include <chrono>
#include <span>
#include <string>
#include <utility>

#include "lockstep/base/error.h"
#include "lockstep/base/timeout.h"
#include "lockstep/obs/activity.h"
#include "lockstep/obs/trace.h"

namespace lockstep::data {

Epoch::Run::Run(std::shared_ptr<Loader::Impl> loader)
    : loader_(std::move(loader)),
      epoch_(loader_->cursor.epoch),
      assembled_(loader_->cursor.position),
      patience_(timeout_setting()) {
  for (Slot& slot : loader_->slots) free_.push_back(&slot);
}

std::shared_ptr<Epoch::Run> Epoch::Run::begun(std::shared_ptr<Loader::Impl> loader) {
  auto run = std::make_shared<Run>(std::move(loader));
  if (run->loader_->options.prefetch > 0) run->helper_ = std::thread([run] { run->work(); });
  run->loader_->is_reading = true;
  return run;
}

void Epoch::Run::stop() {
  {
    std::unique_lock lock(mutex_);
    is_stopping_ = true;
    changed_.notify_all();
    if (helper_.joinable() && !changed_.wait_for(lock, patience_, [this] { return has_ended_; }))
      return helper_.detach();
  }
  if (helper_.joinable()) helper_.join();
  for (Slot& slot : loader_->slots) slot.batch.parts.clear();
  loader_->is_reading = false;
}

bool Epoch::Run::is_over(std::int64_t position) const {
  return position >= loader_->sampler.count();
}

void Epoch::Run::advance() {
  if (current != nullptr) give_back(*current);
  current = nullptr;
  Cursor& cursor = loader_->cursor;
  if (cursor.epoch != epoch_ || is_over(cursor.position)) return;
  {
    const obs::TraceScope trace("data", "next batch", -1, cursor.position);
    const obs::Activity activity("loader.next");
    current = &next_ready();
  }
  if (loader_->copies) loader_->copies->receive(*current);
  cursor.position += current->batch.count;
  if (is_over(cursor.position)) cursor = {epoch_ + 1, 0};
}

void Epoch::Run::assemble(Slot& slot) {
  const std::span<const std::int64_t> order = loader_->order;
  const auto begin = static_cast<std::size_t>(assembled_);
  const auto count =
      std::min(static_cast<std::size_t>(loader_->options.batch), order.size() - begin);
  DeviceCopies::make_writable(slot);
  loader_->assembler.fill(slot, epoch_, order.subspan(begin, count), loader_->shards);
  if (loader_->copies) loader_->copies->send(slot);
  assembled_ += static_cast<std::int64_t>(count);
}

// Batches that were ready before a failure are still handed out.
Slot& Epoch::Run::next_ready() {
  if (!helper_.joinable()) {
    assemble(*free_.front());
    return *free_.front();
  }
  std::unique_lock lock(mutex_);
  const bool is_there =
      changed_.wait_for(lock, patience_, [this] { return !ready_.empty() || failure_ != nullptr; });
  check<IoError>(is_there, [&] {
    const std::chrono::seconds waited = std::exchange(patience_, {});
    return Complaint{"loader: no batch after " + std::to_string(waited.count()) + " s",
                     "see why the dataset is slow to read, or raise LOCKSTEP_TIMEOUT"};
  });
  if (ready_.empty()) std::rethrow_exception(failure_);
  Slot* const slot = ready_.front();
  ready_.pop_front();
  return *slot;
}

// The reader drops its handles here, on its own thread: a tape that hangs on them goes with them.
void Epoch::Run::give_back(Slot& slot) {
  slot.batch.parts.clear();
  if (loader_->copies) loader_->copies->give_back(slot);
  if (!helper_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    free_.push_back(&slot);
  }
  changed_.notify_all();
}

void Epoch::Run::work() {
  assemble_all();
  const std::lock_guard lock(mutex_);
  has_ended_ = true;
  changed_.notify_all();
}

void Epoch::Run::assemble_all() {
  while (!is_over(assembled_)) {
    Slot* slot = nullptr;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return is_stopping_ || !free_.empty(); });
      if (is_stopping_) return;
      slot = free_.front();
      free_.pop_front();
    }
    std::exception_ptr failure;
    try {
      assemble(*slot);
    } catch (...) {
      failure = std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      if (failure == nullptr) ready_.push_back(slot);
      failure_ = failure;
    }
    changed_.notify_all();
    if (failure != nullptr) return;
  }
}

Epoch::Epoch(std::shared_ptr<Run> run) : run_(std::move(run)) {}
Epoch::Epoch(Epoch&&) noexcept = default;
Epoch::~Epoch() {
  if (run_) run_->stop();
}

Epoch::Iterator Epoch::begin() {
  run_->advance();
  return Iterator(*this);
}

GlobalBatch& Epoch::Iterator::operator*() const { return epoch_->run_->current->batch; }

Epoch::Iterator& Epoch::Iterator::operator++() {
  epoch_->run_->advance();
  return *this;
}

bool Epoch::Iterator::is_done() const { return epoch_->run_->current == nullptr; }

}  // namespace lockstep::data
