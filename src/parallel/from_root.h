// Rank 0 acts, and all ranks learn what came of it.
#pragma once

#include <functional>
#include <string>

#include "lockstep/comm/communicator.h"

namespace lockstep::parallel {

// What rank 0's `action` returns, on every rank; where it fails, an IoError on every rank.
// Collective.
std::string from_root(comm::Communicator& ranks, const std::function<std::string()>& action);

}  // namespace lockstep::parallel
