// What a reduction costs between these ranks, measured at start.
#pragma once

#include "lockstep/comm/communicator.h"
#include "lockstep/parallel/bucket_plan.h"

namespace lockstep::parallel {

// A few all_reduces of a line and of a mebibyte in the communicator's own memory. All ranks get
// rank 0's figures. Collective; takes some milliseconds.
ExchangeCost measured_cost(comm::Communicator& ranks);

}  // namespace lockstep::parallel
