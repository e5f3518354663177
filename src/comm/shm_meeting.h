// How the ranks of one host show each other the memory that they share: as processes, which send
// descriptors, or as threads, which already see it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lockstep/comm/communicator.h"
#include "src/comm/shm_segment.h"

namespace lockstep::comm {

using SharedSegment = std::shared_ptr<ShmSegment>;

class ShmMeeting {
 public:
  virtual ~ShmMeeting() = default;

  int rank() const { return rank_; }
  int size() const { return size_; }

  // What a rank brings to a meeting.
  struct Offer {
    std::size_t bytes = 0;     // of memory; 0: none
    std::uint32_t number = 0;  // the first rank's holds for all
    std::string trouble = {};  // why it can offer nothing, which all ranks are told
  };
  struct Shared {
    std::vector<SharedSegment> of_rank;
    std::uint32_t number = 0;
  };
  // Collective: every rank makes memory of its own and sees everyone's. Where the host has not
  // enough for all together, or a rank is in trouble, every rank throws.
  Shared share(const Offer& offer, std::chrono::milliseconds limit);
  // The ranks that have ended their meeting or their process, as far as this one sees it.
  virtual std::vector<int> gone_ranks() { return {}; }
  // Collective over the ranks of this meeting: that of the group, nullptr without one. `on` joins
  // the same ranks.
  virtual std::unique_ptr<ShmMeeting> part(std::span<const int> ranks, int index,
                                           const Group& group, Communicator& on) = 0;

 protected:
  ShmMeeting(int rank, int size) : rank_(rank), size_(size) {}

  // What a rank says at one meeting.
  struct Note {
    std::uint64_t bytes = 0;  // 0: no segment
    std::uint32_t number = 0;
    char trouble[512] = {};
  };
  using Deadline = std::chrono::steady_clock::time_point;
  // Everyone's notes and segments by rank; `segment` may be none.
  virtual std::vector<SharedSegment> exchange(const Note& own, SharedSegment segment,
                                              std::vector<Note>& notes, Deadline deadline) = 0;

 private:
  int rank_;
  int size_;
};

// The ranks of `bootstrap` that `ranks` names (this one is ranks[index]; no part where it is empty)
// as processes of one host. Collective over all of `bootstrap`.
std::unique_ptr<ShmMeeting> meet_over_sockets(Communicator& bootstrap, std::span<const int> ranks,
                                              int index);
// `size` ranks of this process, in their order.
std::vector<std::unique_ptr<ShmMeeting>> meet_as_threads(int size);

}  // namespace lockstep::comm
