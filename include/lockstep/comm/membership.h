// Which rank of which group a communicator speaks for.
#pragma once

#include <cstdint>
#include <string>

namespace lockstep::comm {

// The ranks that a communicator joins; id 0 and no name are all ranks of the job.
struct Group {
  std::string name;      // "split #5, color 1"
  std::uint64_t id = 0;  // the same on all its ranks, and another for every other group
};

inline std::string name_of(const Group& group) {
  return group.name.empty() ? "the whole job" : group.name;
}

// Who a communicator's rank is; what a transport passes to the base class.
struct Membership {
  int rank = 0;
  int size = 1;
  std::string transport;  // "mpi"
  int local_rank = 0;     // among the ranks of the same host
  int local_size = 1;
  Group group = {};
};

}  // namespace lockstep::comm
