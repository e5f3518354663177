// Ranks as threads of one process, for tests of everything that needs a World.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "lockstep/comm/transport.h"
#include "lockstep/comm/world.h"

namespace lockstep::tests {

// Runs body(world) on `size` threads, one rank each, and joins them. When ranks throw, the others
// are ended and the exception of the lowest rank that failed first-hand is thrown here.
void on_ranks(int size, const std::function<void(World&)>& body, const WorldOptions& options = {},
              const std::vector<comm::Disturbance>& disturbances = {});
// The same over communicators of one's choice, one for each thread: comm::shm_threads(size).
void on_ranks(std::vector<std::unique_ptr<comm::Communicator>> communicators,
              const std::function<void(World&)>& body, const WorldOptions& options = {});
// What the ranks give, each value once: runs body(world) as on_ranks does.
std::set<std::uint64_t> results_on(std::vector<std::unique_ptr<comm::Communicator>> communicators,
                                   const std::function<std::uint64_t(World&)>& body,
                                   const WorldOptions& options = {});

}  // namespace lockstep::tests
