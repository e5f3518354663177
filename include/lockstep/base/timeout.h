// How long a wait for another rank or thread may last.
#pragma once

#include <chrono>

namespace lockstep {

// LOCKSTEP_TIMEOUT, else 300 s.
std::chrono::seconds timeout_setting();

}  // namespace lockstep
