// What a Work and its communicator share of the calls that were started together.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "lockstep/comm/communicator.h"

namespace lockstep::comm {

struct Work::Flight {
  Communicator* home = nullptr;  // null once the communicator is gone
  std::vector<Call> calls;       // their buffers keep storage alive
  std::unique_ptr<State> state;
  std::uint64_t last_entry = 0;  // in the flight record; those of a batch are consecutive
  bool is_finished = false;
};

}  // namespace lockstep::comm
