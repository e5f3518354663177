// What a Work and its communicator share of the calls that were started together.
#pragma once

#include <memory>
#include <vector>

#include "lockstep/comm/communicator.h"

namespace lockstep::comm {

struct Work::Flight {
  Communicator* home = nullptr;  // null once the communicator is gone
  std::vector<Call> calls;       // their buffers keep storage alive
  std::unique_ptr<State> state;
  bool is_finished = false;
};

}  // namespace lockstep::comm
