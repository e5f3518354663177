// The transports that a benchmark can be told to use.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lockstep/comm/world.h"

namespace lockstep::bench {

std::vector<std::string> transport_names();
// The ranks of `world` over the transport `name`; nothing for "auto", which is the world's own.
// Collective. UsageError where the transport cannot serve these ranks.
std::unique_ptr<comm::Communicator> joined_over(const std::string& name, World& world);

}  // namespace lockstep::bench
