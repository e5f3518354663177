// The communicators of one rank that were split from one another.
#pragma once

#include <mutex>
#include <vector>

#include "lockstep/comm/communicator.h"

namespace lockstep::comm {

struct Communicator::Family {
  std::mutex mutex;
  std::vector<Communicator*> members;
};

}  // namespace lockstep::comm
