// Rank 0's side of the control links: hears every rank's watchdog, answers who keeps a call, and
// decides which failure was the first.
#pragma once

#include <poll.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "src/comm/control_link.h"
#include "src/comm/diagnosis.h"

namespace lockstep::comm {

class ControlHub {
 public:
  using Clock = std::chrono::steady_clock;

  ControlHub(FileDescriptor listener, std::string token, int ranks);

  void append_to(std::vector<pollfd>& wanted) const;
  // Hears, answers and decides. Never blocks.
  void serve(Clock::time_point now);
  // Something is due soon.
  bool is_busy() const { return !questions_.empty() || (candidate_ && !cause_); }
  // Every rank has said goodbye or is gone.
  bool have_all_left() const;
  void say_goodbye();

 private:
  struct Stranger {
    ControlLink link;
    Clock::time_point since;
  };
  struct Rank {
    ControlLink link;
    RankStatus status;
    Clock::time_point heard;
    std::string suspicion;  // why a communicator of it failed
    bool was_connected = false;
    bool has_left = false;
  };
  struct Pending {  // a question, until the statuses are fresh or `due`
    int rank = 0;
    Question question;
    Clock::time_point asked;
    Clock::time_point due;
  };
  struct Cause {
    int rank = 0;
    std::string text;
    bool is_told_by_rank = false;  // which then prints it
    bool is_consequence = false;   // of a failure that nobody has told yet
  };

  void accept_strangers(Clock::time_point now);
  void admit_strangers(Clock::time_point now);
  void hear(int rank, Clock::time_point now);
  void take(int rank, const Frame& frame, Clock::time_point now);
  void mourn(int rank, Clock::time_point now);
  void answer_questions(Clock::time_point now);
  void consider(Cause cause, Clock::time_point now);
  void decide(const Cause& cause);
  Frame ending() const;
  void give_verdict(int rank);
  RankView view_of(int rank, Clock::time_point now) const;
  std::string obituary(int rank, Clock::time_point now) const;
  Rank& at(int rank) { return ranks_[static_cast<std::size_t>(rank)]; }
  int size() const { return static_cast<int>(ranks_.size()); }

  FileDescriptor listener_;
  std::string token_;
  std::vector<Rank> ranks_;
  std::vector<Stranger> strangers_;
  std::vector<Pending> questions_;
  std::vector<int> waiting_;        // for a verdict
  std::optional<Cause> candidate_;  // a failure that may have followed another
  Clock::time_point decision_due_;
  std::optional<Cause> cause_;
};

}  // namespace lockstep::comm
