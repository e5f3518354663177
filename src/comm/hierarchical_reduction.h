// Reductions among several hosts. A piece of the data is one job: on every host one rank, the head,
// gathers the partials of its host and joins them into the host's subtrees; these go to the head
// that folds the piece, and the result comes back the same way. Heads change from job to job, so
// that all ranks of a host help. A short call is one job that the heads of all hosts fold, which
// saves the way back.
#pragma once

#include <memory>
#include <vector>

#include "lockstep/comm/call.h"
#include "src/comm/exchange.h"
#include "src/comm/host_forest.h"
#include "src/comm/reduction.h"

namespace lockstep::comm {

class HierarchicalReduction final : public Exchange {
 public:
  // `call` must stay where it is until the reduction is finished.
  HierarchicalReduction(const Call& call, std::shared_ptr<const HostForest> forest,
                        std::shared_ptr<const Hosts> hosts, const Membership& member,
                        std::unique_ptr<Messages> messages);

 private:
  static constexpr int every_head = -1;
  static constexpr int nobody = -1;

  struct Job {
    std::int64_t number = 0;
    core::Range range;
    std::vector<int> heads;   // by host
    int folder = every_head;  // the host whose head folds
    int open = 0;             // messages on their way
    int missing = 0;          // partials of this host that have not arrived
    int missing_joined = 0;   // other hosts' subtrees
    int unsent = 0;           // of what this rank gives
    bool is_joined = false;
    bool is_folded = false;
    core::Memory scratch;
    std::size_t blocks = 0;                  // of it in use
    std::vector<const std::byte*> partials;  // of this host, by number
    std::vector<const std::byte*> inputs;    // of the sum, by place
  };

  void begin() override;
  void completed(const Token& token) override;
  void fill(std::size_t slot);
  void start(std::size_t slot);
  void assign(Job& job) const;
  void give_partials(std::size_t slot);
  void gather(std::size_t slot);
  void proceed(std::size_t slot);
  void join(std::size_t slot);
  void send_joined(std::size_t slot, const HostForest::Joined& joined, const std::byte* data);
  void fold(Job& job);
  void run_fold(const std::vector<const void*>& inputs, const std::vector<core::FoldStep>& program,
                std::int64_t count, std::byte* out, double scale) const;
  void await_result(std::size_t slot);
  void pass_result_on(std::size_t slot);
  void post_send(std::size_t slot, int to, int index, const void* data, int kind);
  void post_receive(std::size_t slot, int from, int index, void* data, int kind);

  bool is_head(const Job& job) const { return head(job, host_) == rank(); }
  bool folds(const Job& job) const { return job.folder == every_head || job.folder == host_; }
  int head(const Job& job, int host) const { return job.heads[static_cast<std::size_t>(host)]; }
  int giver_of(const Job& job, int taker) const;
  std::byte* new_block(Job& job) const;
  std::byte* result_of(Job& job) const;
  std::size_t bytes_of(std::int64_t elements) const {
    return static_cast<std::size_t>(elements) * element_;
  }
  std::size_t stride(const Job& job) const {
    return (bytes_of(job.range.count()) + core::alignment - 1) / core::alignment * core::alignment;
  }

  ReductionPlan plan_;
  std::shared_ptr<const HostForest> forest_;
  std::shared_ptr<const Hosts> hosts_;
  int host_;
  std::size_t element_;  // bytes
  bool is_short_;        // one job
  std::int64_t jobs_ = 0;
  std::int64_t next_job_ = 0;
  std::vector<Job> window_;
};

}  // namespace lockstep::comm
