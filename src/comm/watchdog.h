// A thread of each process of a job that keeps a control link to rank 0, so that a rank that hangs
// can still say where it is, and one that dies takes the others with it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "lockstep/comm/communicator.h"
#include "src/comm/control_hub.h"
#include "src/comm/control_link.h"
#include "src/comm/diagnosis.h"
#include "src/comm/invitation.h"

namespace lockstep::comm {

class Watchdog {
 public:
  using Clock = std::chrono::steady_clock;
  struct Failure {
    int code = 0;  // that the process ends with
    std::string why;
    bool is_consequence = false;  // of a failure before
  };

  // Starts the thread, which never calls MPI: where join() has not returned in `limit`, it ends the
  // process with exit code 4.
  explicit Watchdog(std::chrono::milliseconds limit);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog();

  // Links the ranks of `job`. Collective.
  void join(Communicator& job);
  // All ranks end as they should; what they do from here on is no failure.
  void leave() noexcept;

  // Who keeps the call; empty where nobody answers within a second.
  std::string missing(const Question& question);
  // A communicator of this rank failed; the program may live on.
  void suspect(const std::string& why) noexcept;
  // This process ends, and all others with it. True where that is the first failure of the job,
  // which its rank prints.
  bool is_first_failure(const Failure& failure) noexcept;
  // The launcher's exit code is that of the first rank that ends: the others wait for it.
  void let_the_first_end() noexcept;

  // That of this process; nullptr where it is not part of a job.
  static Watchdog* current();

 private:
  friend class LimitedPhase;
  struct Phase {
    const char* name = nullptr;  // none
    Clock::time_point due;       // or the process ends
  };
  struct Forks;
  struct Termination;

  // Gives the phase before it.
  Phase enter(Phase phase) noexcept;
  void run() noexcept;
  void wait_for_news();
  void work(Clock::time_point now);
  void keep_time(Clock::time_point now);
  void deliver_outbox();
  void hear_hub(Clock::time_point now);
  void take(const Frame& frame);
  void connect_next(Clock::time_point now);
  void lose_hub(Clock::time_point now);
  void notice_termination(Clock::time_point now);
  void record_end();
  void notify() noexcept;
  void enqueue(Frame frame) noexcept;
  [[noreturn]] void end_process(const std::string& message);

  std::chrono::milliseconds limit_;
  FileDescriptor wake_;
  int rank_ = 0;
  int size_ = 1;

  std::mutex mutex_;  // what the two threads share; held for moments only
  std::condition_variable changed_;
  std::vector<Frame> outbox_;
  std::optional<std::string> answer_;
  std::optional<bool> verdict_;
  std::optional<Clock::time_point> end_due_;  // another rank's failure ends this process
  std::string why_it_ends_;                   // empty: this rank's own failure was told before
  bool is_end_recorded_ = false;
  std::unique_ptr<Invitation> invitation_;  // of rank 0's hub
  FileDescriptor listener_;                 // on rank 0, for its hub
  Phase phase_;
  bool is_connected_ = false;
  bool is_leaving_ = false;
  bool have_all_left_ = false;
  bool is_terminated_ = false;  // by the launcher's SIGTERM
  bool is_stopping_ = false;

  std::mutex connections_;  // the thread's own below; nobody forks while it uses them
  ControlLink link_;
  std::optional<ControlHub> hub_;
  std::size_t next_address_ = 0;
  Clock::time_point connect_due_;
  Clock::time_point status_due_;
  std::thread thread_;  // last: it uses all of the above
};

// A stretch in which the main thread may block in MPI, which knows no deadline: where it outlasts
// the watchdog's limit, the process ends.
class LimitedPhase {
 public:
  explicit LimitedPhase(const char* name);
  LimitedPhase(const LimitedPhase&) = delete;
  LimitedPhase& operator=(const LimitedPhase&) = delete;
  ~LimitedPhase();

 private:
  Watchdog::Phase before_;
};

}  // namespace lockstep::comm
