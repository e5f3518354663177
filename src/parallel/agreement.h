// That all ranks train the same: compared before anything else is exchanged.
#pragma once

#include <source_location>
#include <string>
#include <vector>

#include "lockstep/comm/communicator.h"

namespace lockstep::parallel {

// Something that must be the same on every rank: {"parameter 3", "fc.weight f32 [10, 5]"}.
struct Fact {
  std::string name;
  std::string value;
};

// UsageError on every rank where the ranks' lists differ: it names a rank that differs from most,
// the first fact that does, with both values, and where both ranks called. Collective.
void check_agreement(comm::Communicator& ranks, const std::vector<Fact>& facts,
                     const std::source_location& where);

}  // namespace lockstep::parallel
