#include "lockstep/parallel/checkpointer.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <string>

#include "lockstep/base/error.h"
#include "lockstep/obs/activity.h"
#include "lockstep/obs/log.h"
#include "lockstep/obs/trace.h"
#include "lockstep/tensor/create.h"
#include "lockstep/tensor/views.h"
#include "src/parallel/checkpoint_folder.h"
#include "src/parallel/from_root.h"

namespace lockstep::parallel {
namespace {

// The calling thread gives way to those that compute: a tenth of their share where cores are scarce
// (less would keep a save from ending), and the disk to whoever else wants it.
void lower_priority() {
  constexpr int thread_niceness = 10;
  constexpr int least_of_best_effort = 2 << 13 | 7;  // IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 7)
  constexpr int of_a_thread = 1;                     // IOPRIO_WHO_PROCESS
  const auto thread = static_cast<id_t>(::syscall(SYS_gettid));
  // Where either is refused the save is as good, only less polite.
  (void)::setpriority(PRIO_PROCESS, thread, thread_niceness);
  (void)::syscall(SYS_ioprio_set, of_a_thread, 0, least_of_best_effort);
}

bool has_place_for(const State& state, const State& copy) {
  return std::equal(state.begin(), state.end(), copy.begin(), copy.end(),
                    [](const auto& a, const auto& b) {
                      return a.first == b.first && a.second.shape() == b.second.shape() &&
                             a.second.dtype() == b.second.dtype();
                    });
}

void copy_state(const State& from, State& into) {
  if (!has_place_for(from, into)) {
    into.clear();
    for (const auto& [name, x] : from) into.emplace_back(name, empty({x.shape(), x.dtype(), {}}));
  }
  for (std::size_t i = 0; i < from.size(); ++i) {
    const Tensor& x = from[i].second;
    copy_elements(x.device() == Device{} ? x : copied_to(x, Device{}), into[i].second);
  }
}

}  // namespace

struct Checkpointer::Writer {
  comm::Communicator& ranks;
  SaveOptions options;
  Checkpoint copy;  // rank 0's
  std::future<void> under_way;

  // Throws what the thread threw.
  void finish() {
    if (under_way.valid()) under_way.get();
  }

  void start(const std::vector<std::filesystem::path>& folders, const Checkpoint& checkpoint) {
    const obs::TraceScope trace("checkpoint", "copy", -1, checkpoint.progress.step);
    copy_state(checkpoint.model, copy.model);
    copy_state(checkpoint.optimizer, copy.optimizer);
    copy.progress = checkpoint.progress;
    copy.configuration = checkpoint.configuration;
    under_way = std::async(std::launch::async, [this, folders] {
      lower_priority();
      for (const auto& folder : folders) {
        const obs::TraceScope written("checkpoint", "write", -1, copy.progress.step);
        write_checkpoint(folder, copy, options);
      }
    });
  }
};

Checkpointer::Checkpointer(comm::Communicator& ranks, const SaveOptions& options)
    : writer_(new Writer{ranks, options, {}, {}}) {}

Checkpointer::~Checkpointer() {
  try {
    writer_->finish();
  } catch (const std::exception& error) {
    obs::error(fmt::format("the checkpoint of step {} is not saved: {}",
                           writer_->copy.progress.step, error.what()));
  }
}

void Checkpointer::save(const std::filesystem::path& folder, const Checkpoint& checkpoint) {
  save_to({folder}, checkpoint);
}

void Checkpointer::save_to(const std::vector<std::filesystem::path>& folders,
                           const Checkpoint& checkpoint) {
  const obs::Activity activity("checkpoint.save");
  from_root(writer_->ranks, [&] {
    writer_->finish();
    writer_->start(folders, checkpoint);
    return std::string();
  });
}

void Checkpointer::wait() {
  from_root(writer_->ranks, [&] {
    writer_->finish();
    return std::string();
  });
}

bool Checkpointer::is_writing() const {
  return writer_->under_way.valid() &&
         writer_->under_way.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
}

}  // namespace lockstep::parallel
